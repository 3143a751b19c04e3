"""The command line of vLLM. Its parser's behaviour was read from the source of the named versions."""

import pytest

from sandbox.modelserver.command_line import translated
from sandbox.pods.containers import program
from tests.program.expected import EVERY, Combination
from tests.program.wire import recorded

NEW, OLD = "0.17.1", "0.11.2"
FLAGS_VARY = [one for one in EVERY if not one.rdma and not one.monitoring]


def refusal(words: list[str], version: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the last line of vLLM's error for a refused command line (exit code 2)."""
    with pytest.raises(SystemExit) as end:
        translated(["serve", *words], version)
    assert end.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


class TestArgumentsOfTheSimulator:
    def test_model_port_names_and_limits(self) -> None:
        words = "m/x --port=8200 --served-model-name a b --max-model-len=32k --max-num-seqs=7 --seed 3"
        assert translated(["serve", *words.split()], NEW) == [
            "--model=m/x",
            "--force-dummy-tokenizer",
            "--mode=random",
            "--port=8200",
            "--max-model-len=32000",
            "--max-num-seqs=7",
            "--seed=3",
            "--served-model-name",
            "a",
            "b",
            "--vllm-version=0.17.1",
        ]

    def test_address_tls_and_root_path(self) -> None:
        words = "m --host ::1 --root-path=/llm --ssl-certfile=/c --ssl-keyfile=/k --api-key one two"
        assert translated(["serve", *words.split()], OLD)[-7:] == [
            "--vllm-version=0.11.2",
            "--host=::1",
            "--root-path=/llm",
            "--ssl-certfile=/c",
            "--ssl-keyfile=/k",
            "--api-key=one",
            "--api-key=two",
        ]


class TestSpelling:
    @pytest.mark.parametrize(
        ("words", "version"),
        [
            (["-O3"], NEW),
            (["-O", "3"], NEW),
            (["-O=3"], OLD),
            (["-O.cudagraph_mode=FULL", "-O3"], OLD),
            (["--compilation-config.pass_config.fuse=true"], NEW),
            (["--kv-transfer-config.kv_connector=A", "--kv-transfer-config.kv_role", "kv_both"], NEW),
            (["--kv_transfer_config.kv_connector", "A", "--kv-transfer-config.kv_role=kv_both"], NEW),
            (["--speculative-config.draft+", "a,b", "--speculative-config.draft+=c"], NEW),
            (["--no-enable-chunked-prefill"], OLD),
        ],
    )
    def test_accepted_command_lines(self, words: list[str], version: str) -> None:
        assert translated(["serve", "m", *words], version) == translated(["serve", "m"], version)

    def test_json_by_key_is_checked_as_a_whole(self, capsys: pytest.CaptureFixture[str]) -> None:
        said = refusal(["m", "--kv-transfer-config.kv_connector=A"], NEW, capsys)
        assert "argument --kv-transfer-config: KVTransferConfig: Please specify kv_role" in said


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "version", "said"),
        [
            ("m --attention-backend=X", OLD, "vllm: error: unrecognized arguments: --attention-backend=X"),
            ("m --disable-log-requests", NEW, "vllm: error: unrecognized arguments: --disable-log-requests"),
            ("m --no-headless", NEW, "vllm: error: unrecognized arguments: --no-headless"),
            ("m n", NEW, "vllm: error: unrecognized arguments: n"),
            ("m --port=x", NEW, "vllm serve: error: argument --port: invalid int value: 'x'"),
            ("m --max-model-len=32q", NEW, "vllm serve: error: argument --max-model-len: invalid int value: '32q'"),
            ("m --gpu-memory-utilization=x", NEW, "argument --gpu-memory-utilization: invalid float value: 'x'"),
            ("m --block-size=100", OLD, "argument --block-size: invalid choice: 100"),
            ("m --enforce-eager=true", NEW, "argument --enforce-eager/--no-enforce-eager: ignored explicit argument"),
            ("m --port", NEW, "argument --port: expected one argument"),
            ("m --max-num=1", NEW, "ambiguous option: --max-num=1 could match"),
            ("m --kv-transfer-config={x}", NEW, "argument --kv-transfer-config: Value {x} is no JSON"),
            ('m --kv-transfer-config={"kv_role":"x"}', OLD, "KVTransferConfig: Unsupported kv_role: x"),
            ('m --kv-transfer-config={"kv_rolle":1}', NEW, "KVTransferConfig: kv_rolle: Unexpected keyword argument"),
            ("m --config=/x.yaml", NEW, "the sandbox reads no --config file"),
            ("m --uds=/s", NEW, "the sandbox's simulator does not know --uds"),
            ("m --lora-modules a=/a", NEW, "the sandbox's simulator does not know --lora-modules"),
        ],
    )
    def test_refused_command_lines_have_vllms_message(
        self, words: str, version: str, said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert said in refusal(words.split(), version, capsys)


class TestTheList:
    @pytest.mark.parametrize("combination", FLAGS_VARY, ids=str)
    def test_every_rendered_command_line_is_accepted(self, combination: Combination) -> None:
        for role in ("prefill", "decode"):
            deployment = recorded(combination).objects[f"Deployment/ms-pd-llm-d-modelservice-{role}"]
            [worker] = deployment["spec"]["template"]["spec"]["containers"]
            version = program(worker["image"], ["llm-d-inference-sim"]).vllm
            assert version
            arguments = translated([*worker["command"][1:], *worker["args"]], version)
            assert f"--port={worker['ports'][0]['containerPort']}" in arguments
