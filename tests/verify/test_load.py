"""`--load`: the Job, what is sent, and the report. Real vLLM: tests/vllm/test_load.py."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.field.cases import lacking, laid_over
from tests.verify.fake import NAMESPACE, named, outputs
from verify import bench
from verify.cluster import Cluster
from verify.finding import VerifyError
from verify.load import Load, Measured, measure
from verify.metrics import Histogram, parse
from verify.outputs import Workload
from verify.proxies import Proxies
from verify.report import load as report
from verify.routing import Endpoint
from verify.steps import Verification
from verify.tiers import Tier

TYPED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("load.yaml").read_text())
TEMPLATE = TYPED["template"]
RUN = bench.Run("stack", "http://gate.ns.svc:80", 4000, 500, 24, 8, headers={"Host": "a.com"})


def _pod(template: dict[str, Any] = TEMPLATE) -> Any:
    return bench.job(template, NAMESPACE, [RUN], "llama", 600)["spec"]["template"]["spec"]


def test_the_job_is_a_worker_without_gpu_and_rights() -> None:
    assert not list(lacking(TYPED["job"], bench.job(TEMPLATE, NAMESPACE, [RUN], "llama", 600)))
    script = _pod()["containers"][0]["command"][2]
    assert "--model=org/model --served-model-name=llama" in script
    assert "--random-input-len=4000 --random-output-len=500 --num-prompts=24 --ready-check-timeout-sec=0" in script
    assert "--header Host=a.com" in script
    seeds = {bench.Run("a", "http://a", 1, 1, 1).seed for _ in range(3)}
    assert len(seeds) == 3, "a worker has the prompts of a former seed in its cache"


@pytest.mark.parametrize(
    ("volume", "how"), [({"emptyDir": {}}, "preferred"), ({"persistentVolumeClaim": {}}, "required")]
)
def test_a_claim_is_mounted_where_a_worker_has_it(volume: dict[str, Any], how: str) -> None:
    template = laid_over(TEMPLATE, {"spec": {"volumes": [{"name": "models", **volume}]}})
    assert list(_pod(template)["affinity"]["podAffinity"]) == [f"{how}DuringSchedulingIgnoredDuringExecution"]


def test_the_shell_of_a_worker_is_run_first() -> None:
    script = 'set-up\nexec vllm serve "$@"'
    worker = {**TEMPLATE["spec"]["containers"][0], "command": ["/bin/bash", "-ec", script, "vllm"]}
    command = _pod(laid_over(TEMPLATE, {"spec": {"containers": [worker]}}))["containers"][0]["command"]
    assert command[0] == "/bin/bash"
    assert command[2].startswith('set-up\ncd "$(mktemp -d)"\nvllm bench serve')


def test_results_are_read_from_the_log_or_its_end_is_shown() -> None:
    log = 'INFO x\nverify-load: stack {"completed": 8}\nConnectionError\nverify-load: prefill {"completed": 0}\n'
    assert bench.results(log) == {"stack": {"completed": 8}}
    with pytest.raises(VerifyError, match="no route to host"):
        bench.results("ValueError: no route to host")


class Fleet(Cluster):
    """A cluster that keeps what is asked of it; its Job has ended."""

    def __init__(self, status: dict[str, Any]) -> None:
        self.status, self.asked = status, list[str]()

    def create(self, path: str, document: Any) -> Any:
        self.asked.append(f"create {path.rpartition('/')[2]}")
        return document

    def get(self, path: str, **query: str) -> Any:
        return {"items": [named("p")]} if path.endswith("/pods") else {"status": self.status}

    def log(self, namespace: str, pod: str, container: str, **query: str) -> str:
        return 'verify-load: stack {"completed": 8}\n'

    def delete(self, path: str, **query: str) -> None:
        self.asked.append(f"delete {path.rpartition('/')[2][:11]}")


@pytest.mark.parametrize("end", ["Complete", "Failed"])
def test_the_job_is_deleted_whatever_comes(end: str) -> None:
    fleet = Fleet({"conditions": [{"type": end, "status": "True"}]})
    assert bench.run(fleet, bench.job(TEMPLATE, NAMESPACE, [RUN], "llama", 600), lambda _: None) == {
        "stack": {"completed": 8}
    }
    assert fleet.asked == ["create jobs", "delete verify-load"]


def test_a_load_is_the_stated_one_unless_the_command_says_another() -> None:
    stated = {"inputTokens": 4000, "outputTokens": 500, "requestsPerSecond": 5, "itl": 40}
    assert Load.of(stated, (None, None), None) == Load(4000, 500, 100, 5.0, 40.0), "5 * 500 * 0.04 streams"
    assert Load.of(stated, (None, 100), 8) == Load(4000, 100, 8, None, 40.0)
    assert Load.of({}, (100, 10), None) == Load(100, 10, 8)
    with pytest.raises(VerifyError, match="--input-tokens"):
        Load.of({}, (100, None), None)


def _result(**more: Any) -> dict[str, Any]:
    return {f"p{share}_{what}_ms": float(share) for share in (50, 90, 99) for what in ("ttft", "tpot")} | {
        "completed": 32,
        "request_throughput": 4.9,
        "output_throughput": 2450.0,
        "max_concurrency": 8,
        **more,
    }


class Measuring(Fleet):
    """A cluster with workers that count one more transfer of 2 MB at each look; its Job has run."""

    def __init__(self, results: dict[str, Any]) -> None:
        super().__init__({"conditions": [{"type": "Complete", "status": "True"}]})
        self.results, self.looks = results, 4

    def create(self, path: str, document: Any) -> Any:
        self.script = document["spec"]["template"]["spec"]["containers"][0]["command"][2]
        return super().create(path, document)

    def get(self, path: str, **query: str) -> Any:
        return {"spec": {"template": TEMPLATE}} if "/deployments/" in path else super().get(path, **query)

    def log(self, namespace: str, pod: str, container: str, **query: str) -> str:
        return "".join(f"{bench.MARK}{label} {json.dumps(result)}\n" for label, result in self.results.items())

    def pod(self, namespace: str, name: str, port: int, path: str) -> Any:
        self.looks += 1
        name = "vllm:nixl_bytes_transferred"
        text = f'{name}_bucket{{le="4e6"}} {self.looks}\n{name}_count {self.looks}\n{name}_sum {self.looks * 2e6}\n'
        return SimpleNamespace(text=lambda: text)


def test_the_load_is_measured_and_the_fastest_run_within_the_target_is_taken() -> None:
    whole = {label: _result(**more) if label != "prefill" else more for label, more in TYPED["results"].items()}
    cluster = Measuring(whole)
    ready = {"conditions": [{"type": "Ready", "status": "True"}], "podIP": "10.0.0.7"}
    spec = {"containers": [{"name": "vllm", "ports": [{"name": "vllm", "containerPort": 8200}]}]}
    worker = named("w", spec=spec, status=ready)
    done = Verification(cluster, outputs(), lambda _: None)
    done._tiers |= {role: Tier(role, Workload(role, 1, 1, rdma=False), [worker], 1) for role in ("prefill", "decode")}
    done.endpoint = Endpoint(Proxies(NAMESPACE, "gate", [], "", None), "gate", "", 80, path="/pre")
    measured = measure(done, Load(4000, 500, 8, itl=40.0), lambda _: None)
    assert measured.prefill == 8000
    assert measured.decode
    assert measured.decode["output_throughput"] == 1800, "four times the streams take 55 ms"
    assert measured.bytes == Histogram({4e6: 1}, 1, 2e6)
    assert "--base-url=http://gate.serving.svc:80/pre" in cluster.script
    assert "--base-url=http://10.0.0.7:8200" in cluster.script
    assert "--random-input-len=16 --random-output-len=500 --random-prefix-len=3984 --num-prompts=64" in cluster.script
    done.cluster = Measuring(whole | {label: _result(**more) for label, more in TYPED["slow"].items()})
    found = measure(done, Load(4000, 500, 8, itl=40.0), lambda _: None).decode
    assert found
    assert found["output_throughput"] == 900, "no run is within the target: the one nearest to it"


def test_the_report_has_percentiles_and_the_block_to_paste() -> None:
    moved = Histogram.of(parse(TYPED["metrics"]), "vllm:nixl_bytes_transferred")
    load = Load(4000, 500, 8, itl=40.0)
    text = report(
        Measured(load, _result(), 9012.3, _result(output_throughput=5511.0), moved, Histogram({}, 32, 0.64)),
        [{"tier": "prefill", "tokensPerSecond": 5759}, {"tier": "decode", "tokensPerSecond": 5121}],
    )
    lines = text.splitlines()
    assert lines[0] == "load: prompts of 4000 tokens, answers of 500, 8 at a time; 32 requests"
    assert lines[2].split() == ["time", "to", "first", "token,", "ms", "50.0", "90.0", "99.0"]
    assert lines[4].split() == ["KV", "transfer,", "MB", "1.5", "1.9", "2.0"]
    assert (
        "P = 9012 tokens/s (prompts of 4000 tokens, 4 at a time); sizing expects 5759, the measurement is 1.56 times"
        in text
    )
    assert lines[-1] == "      measured: {prefill: 9012, decode: 5511}"
    assert "no run of the decode worker" in text, "50 ms per token, and 40 were asked for"


def test_a_worker_that_pods_cannot_reach_gives_no_block() -> None:
    nothing = Histogram({}, 0, 0)
    text = report(Measured(Load(4000, 500, 8), _result(), None, None, nothing, nothing), [])
    assert "one prefill worker alone: not measured" in text
    assert "no KV transfer was counted" in text
    assert "measured:" not in text
