"""`chat`, `status`, `logs`, `verify` and the official OpenAI client with a stack that serves."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import yaml

from access import kubeconfig as kubeconfigs
from access.server import ApiServer
from sandbox.client.chat import ask, await_serving
from sandbox.client.pods import print_logs
from sandbox.cluster.api import connect
from sandbox.errors import SandboxError
from sandbox.home import CHECKOUT
from sandbox.progress import Progress
from tests.docs.pages import blocks
from tests.sandbox.running import Running, soon, token_of
from tests.sandbox.serving.traffic import Traffic, traffic
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards
from verify.cluster import Cluster
from verify.finding import Outcome
from verify.outputs import parse
from verify.steps import Verification

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def serving(cluster: Running) -> Iterator[Deployment]:
    with destroyed_afterwards(deployment(cluster, "amd")) as made:
        made.up()
        await_serving(cluster.home, "amd", Progress())
        yield made


def names(serving: Deployment, role: str) -> set[str]:
    return {pod.metadata.name for pod in serving.pods(role=role)}


def test_the_first_prompt_is_answered_and_its_path_is_shown(serving: Deployment) -> None:
    answer, said = io.StringIO(), io.StringIO()

    assert ask(serving.cluster.home, "amd", Progress(said), "How are you?", answer) == 0

    assert len(answer.getvalue().split()) > 3
    stations = dict(re.findall(r"^(?:→|  ?) ?(\w+) +(\S+) on amd-\d", said.getvalue(), re.MULTILINE))
    assert list(stations) == ["gateway", "picker", "prefill", "decode"]
    assert stations["prefill"] in names(serving, "prefill")
    assert stations["decode"] in names(serving, "decode")
    assert re.search(r"decided after \d+\.\d ms", said.getvalue())
    assert re.search(r"\d+ tokens: the first after \d+ ms, all after \d+ ms", said.getvalue())
    assert "simulated on the CPU" in said.getvalue()


def test_an_unknown_stack_is_an_error(serving: Deployment) -> None:
    with pytest.raises(SandboxError, match="make up STACK=nvidia"):
        ask(serving.cluster.home, "nvidia", Progress(io.StringIO()))


@pytest.mark.parametrize(
    ("pod", "container", "expected"),
    [("decode", "routing-proxy", ""), ("decode", "vllm", ""), ("epp", "", "GIE build"), ("gateway", "", '{"')],
)
def test_logs_of_each_container_by_name(serving: Deployment, pod: str, container: str, expected: str) -> None:
    out = io.StringIO()

    assert print_logs(serving.cluster.home, pod, container, out=out) == 0

    assert out.getvalue().strip()
    assert "no log" not in out.getvalue()
    assert expected in out.getvalue()


def test_logs_of_all_containers_carry_their_names_and_an_ambiguous_pod_lists_the_choices(serving: Deployment) -> None:
    home, out = serving.cluster.home, io.StringIO()
    print_logs(home, "decode", out=out)
    assert {line.split("  ")[0] for line in out.getvalue().splitlines()} == {"routing-proxy", "vllm"}
    with pytest.raises(SandboxError) as several:
        print_logs(home, "prefill")
    assert names(serving, "prefill") == set(re.findall(r"\S+-prefill-\S+", str(several.value)))
    with pytest.raises(SandboxError, match="no pod matches POD=absent"):
        print_logs(home, "absent")
    with pytest.raises(SandboxError, match="no container 'envoy'; it has: routing-proxy, vllm"):
        print_logs(home, "decode", "envoy")


def test_followed_status_shows_decisions_and_ends_on_ctrl_c(serving: Deployment, tmp_path: Path) -> None:
    home = serving.cluster.home
    code = "import sys; from pathlib import Path; from sandbox.home import Home; "
    code += "from sandbox.client.status import follow; sys.exit(follow(Home(Path(sys.argv[1])), every=0.2))"
    log = tmp_path / "log"
    with log.open("w") as out:
        watching = subprocess.Popen([sys.executable, "-c", code, str(home.root)], cwd=CHECKOUT, stdout=out, stderr=out)
    try:
        assert soon(lambda: "LEGS" in log.read_text()), log.read_text()
        ask(home, "amd", Progress(io.StringIO()), "Who are you?", io.StringIO())
        [decode] = names(serving, "decode")
        decided = re.compile(rf"200 /v1/chat/completions  picked .*  prefill \S+ → decode {decode}")
        assert soon(lambda: decided.search(log.read_text()) is not None), log.read_text()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(10) == 0
    finally:
        watching.kill()
    assert re.search(rf"{decode} +amd-\d +Ready +0 +4 +\d+ +0 +0 +\d", log.read_text())
    assert "Traceback" not in log.read_text()


ALL_TOKENS = {"ignore_eos": True}
"""Otherwise the simulator ends its answers at random."""


@pytest.fixture(scope="module")
def gateway(serving: Deployment) -> Iterator[Traffic]:
    with traffic(serving) as requests:
        yield requests


@pytest.fixture
def model(gateway: Traffic) -> str:
    return gateway.model


@pytest.fixture
def client(gateway: Traffic) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key="none", max_retries=0, timeout=120)


def test_models_chats_and_completions_are_answered(client: openai.OpenAI, model: str) -> None:
    assert [one.id for one in client.models.list()] == [model]
    chat = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=8)
    assert chat.choices[0].message.content
    assert chat.usage is not None
    assert chat.usage.completion_tokens <= 8
    assert client.completions.create(model=model, prompt="Once upon a time", max_tokens=8).choices[0].text


def test_chats_and_completions_are_streamed_token_by_token(client: openai.OpenAI, model: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "hi"}],
            max_tokens=8,
            stream=True,
            stream_options={"include_usage": True},
            extra_body=ALL_TOKENS,
        )
    )
    said = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(said) == 8
    assert chunks[-1].usage is not None
    assert any(chunk.choices and chunk.choices[0].finish_reason for chunk in chunks)
    texts = client.completions.create(model=model, prompt="hi", max_tokens=8, stream=True, extra_body=ALL_TOKENS)
    assert len([chunk for chunk in texts if chunk.choices and chunk.choices[0].text]) == 8


def test_errors_of_the_worker_are_passed_through(client: openai.OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.completions.create(model="another/model", prompt="hi")
    with pytest.raises(openai.BadRequestError, match="max_tokens must be at least 1, got -1"):
        client.completions.create(model=model, prompt="hi", max_tokens=-1)


def test_every_answer_had_a_prefill_leg(gateway: Traffic, client: openai.OpenAI, model: str) -> None:
    def send() -> None:
        client.completions.create(model=model, prompt="a new prompt", max_tokens=4)

    assert gateway.counted(send).totals == (1, 1)


def test_the_example_in_the_docs_runs(gateway: Traffic) -> None:
    [example] = [block.text for block in blocks("python") if "openai" in block.text]
    place = {"OPENAI_BASE_URL": f"http://127.0.0.1:{gateway.port}/v1", "OPENAI_API_KEY": "none"}
    command = [sys.executable, "-c", example]
    done = subprocess.run(command, env={**os.environ, **place}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer, streamed = done.stdout.split("\n", 1)
    assert "CompletionUsage" in answer
    assert streamed.strip()


def test_verify_proves_the_legs(serving: Deployment) -> None:
    done = serving.verify("--json")

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    outcomes = {step["step"]: step["outcome"] for step in found["steps"]}
    assert found["ok"]
    assert {step for step, outcome in outcomes.items() if outcome == "ok"} == {
        *("prefill", "decode", "pool", "picker", "route", "gateway", "models", "request", "legs"),
        *("prefill spread", "kinds", "sidecar"),
    }
    assert {step for step, outcome in outcomes.items() if outcome == "not visible"} == {"KV transfer", "transport"}
    [kinds] = [step["evidence"] for step in found["steps"] if step["step"] == "kinds"]
    assert "chat: prefill → decode; token numbers: HTTP 400" in kinds
    assert "This EPP never disaggregates token numbers and a list of texts" in kinds
    for request in found["requests"]:
        assert set(request["legs"]["prefill"]) <= names(serving, "prefill")
        assert set(request["legs"]["decode"]) == names(serving, "decode")


def test_verify_fits_on_a_screen(serving: Deployment) -> None:
    done = serving.verify()

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= 54  # times of four digits wrap a line
    assert lines[-1] == "Verified: 12 ok, 2 not visible"
    unwrapped = " ".join(done.stdout.split())
    assert re.search(r"request 3: gateway → prefill \S+ → decode \S+; first token \d+ ms", unwrapped)


def test_verify_reports_a_stack_that_decodes_only(serving: Deployment) -> None:
    """Without prefill workers, every request still gets a 200."""
    name = serving.outputs["workloads"]["prefill"]["name"]
    with connect(serving.cluster.home.host_kubeconfig) as api:
        path = f"/apis/apps/v1/namespaces/llm-d-pd/deployments/{name}/scale"
        api.patch(path, {"spec": {"replicas": 0}})
        assert soon(lambda: not serving.pods(role="prefill"))

        done = serving.verify()

        api.patch(path, {"spec": {"replicas": 4}})
    assert done.returncode == 1
    assert re.search(r"^FAILED +prefill +0 of 4 pods Ready", done.stdout, re.MULTILINE)
    assert re.search(r"^FAILED +legs .*0 prefill and 1 decode legs", done.stdout, re.MULTILINE)
    assert "silent fallback" in done.stdout


def test_verify_names_the_missing_right(serving: Deployment, tmp_path: Path) -> None:
    """A user that may read everything, but may not use the API server's proxy."""
    home = serving.cluster.home
    readable = {
        "": ["pods", "services", "configmaps"],
        "apps": ["deployments"],
        "gateway.networking.k8s.io": ["gateways", "httproutes"],
        "inference.networking.k8s.io": ["inferencepools"],
    }
    rules = [{"apiGroups": [group], "resources": kinds, "verbs": ["get", "list"]} for group, kinds in readable.items()]
    with connect(home.host_kubeconfig) as api:
        token = token_of(api, "reader", "llm-d-pd", rules)
    document = yaml.safe_load(home.host_kubeconfig.read_text())
    document["users"][0]["user"] = {"token": token}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(document))
    cluster = Cluster(ApiServer.connect(kubeconfigs.read(str(kubeconfig))))

    done = Verification(cluster, parse("amd", json.dumps(serving.outputs)), lambda _: None)
    done.run(requests=1, seconds=10)

    found = {one.step: one for one in done.findings}
    assert found["gateway"].outcome is Outcome.OK
    assert found["models"].outcome is Outcome.FAILED
    assert found["models"].remedy == "RBAC: let this user `get` `services/proxy` in namespace llm-d-pd"
    assert found["request"].remedy == "RBAC: let this user `get` `pods/proxy` in namespace llm-d-pd"
    assert found["sidecar"].outcome is Outcome.UNSEEN
    assert found["sidecar"].remedy == "RBAC: let this user `get` `pods/log` in namespace llm-d-pd"
