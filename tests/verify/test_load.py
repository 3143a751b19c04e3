"""`--load`: the Job, what is sent, and the report. Real vLLM: tests/vllm/test_load.py."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

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

KEY = {"name": "VLLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"llm-d.ai/role": "decode"}, "annotations": {"k8s.v1.cni.cncf.io/networks": "net"}},
    "spec": {
        "initContainers": [{"name": "routing-proxy"}],
        "terminationGracePeriodSeconds": 1800,
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        "containers": [
            {
                "name": "vllm",
                "image": "e.com/vllm:1",
                "command": ["vllm", "serve"],
                "args": ["org/model", "--port=8200"],
                "env": [{"name": "HF_HOME", "value": "/models"}, {"name": "UCX_TLS", "value": "rc"}, KEY],
                "resources": {"limits": {"nvidia.com/gpu": "4"}},
                "securityContext": {
                    "privileged": True,
                    "runAsUser": 2000,
                    "capabilities": {"add": ["IPC_LOCK"], "drop": ["ALL"]},
                },
                "volumeMounts": [{"name": "models", "mountPath": "/models"}, {"name": "ib", "mountPath": "/dev/ib"}],
            }
        ],
        "volumes": [{"name": "models", "emptyDir": {}}, {"name": "ib", "hostPath": {"path": "/dev/ib"}}],
    },
}
RUN = bench.Run("stack", "http://gate.ns.svc:80", 4000, 500, 24, 8, headers={"Host": "a.com"})


def test_the_job_is_a_worker_without_gpu_and_rights() -> None:
    made = bench.job(TEMPLATE, NAMESPACE, [RUN], "llama", 600)
    pod = made["spec"]["template"]
    (client,) = pod["spec"]["containers"]
    assert pod["metadata"] == {"labels": {"app.kubernetes.io/name": "verify-load"}}, "no selector of the stack"
    assert (client["image"], client["volumeMounts"]) == ("e.com/vllm:1", [{"name": "models", "mountPath": "/models"}])
    assert client["securityContext"] == {"runAsUser": 2000, "capabilities": {"drop": ["ALL"]}}
    assert [one["name"] for one in pod["spec"]["volumes"]] == ["models"], "nothing of the node"
    assert "nvidia.com/gpu" not in str(client["resources"])
    assert [one["name"] for one in client["env"]] == ["HF_HOME", "OPENAI_API_KEY"]
    assert client["env"][1]["valueFrom"] == KEY["valueFrom"]
    assert pod["spec"]["tolerations"] == TEMPLATE["spec"]["tolerations"]
    assert "initContainers" not in pod["spec"]
    assert (made["spec"]["backoffLimit"], made["spec"]["activeDeadlineSeconds"]) == (0, 600)
    script = client["command"][2]
    assert "--model=org/model --served-model-name=llama" in script
    assert "--random-input-len=4000 --random-output-len=500 --num-prompts=24 --ready-check-timeout-sec=0" in script
    seeds = {bench.Run("a", "http://a", 1, 1, 1).seed for _ in range(3)}
    assert len(seeds) == 3, "a worker has the prompts of a former seed in its cache"
    assert "--header Host=a.com" in script


@pytest.mark.parametrize(
    ("volume", "how"), [({"emptyDir": {}}, "preferred"), ({"persistentVolumeClaim": {}}, "required")]
)
def test_a_claim_is_mounted_where_a_worker_has_it(volume: dict[str, Any], how: str) -> None:
    template = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "volumes": [{"name": "models", **volume}]}}
    made = bench.job(template, NAMESPACE, [RUN], "llama", 600)["spec"]["template"]["spec"]
    assert list(made["affinity"]["podAffinity"]) == [f"{how}DuringSchedulingIgnoredDuringExecution"]


def test_the_shell_of_a_worker_is_run_first() -> None:
    worker = {
        **TEMPLATE["spec"]["containers"][0],
        "command": ["/bin/bash", "-ec", 'set-up\nexec vllm serve "$@"', "vllm"],
    }
    template = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "containers": [worker]}}
    command = bench.job(template, NAMESPACE, [RUN], "llama", 600)["spec"]["template"]["spec"]["containers"][0][
        "command"
    ]
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
    steps = {1: (1000.0, 20.0), 2: (1800.0, 35.0), 4: (2500.0, 55.0)}
    fast = {f"decode{step}": _result(output_throughput=rate, p50_tpot_ms=itl) for step, (rate, itl) in steps.items()}
    whole = {"stack": _result(), "prefill": {"completed": 16, "total_input_tokens": 64000, "duration": 8.0}, **fast}
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
    slow = Measuring(
        {**whole, "decode1": _result(output_throughput=900.0, p50_tpot_ms=50.0), "decode2": fast["decode4"]}
    )
    done.cluster = slow
    found = measure(done, Load(4000, 500, 8, itl=40.0), lambda _: None).decode
    assert found
    assert found["output_throughput"] == 900, "no run is within the target: the one nearest to it"


def test_the_report_has_percentiles_and_the_block_to_paste() -> None:
    samples = parse(
        """vllm:nixl_bytes_transferred_bucket{le="1000000"} 0
vllm:nixl_bytes_transferred_bucket{le="2000000"} 32
vllm:nixl_bytes_transferred_bucket{le="+Inf"} 32
vllm:nixl_bytes_transferred_count 32
vllm:nixl_bytes_transferred_sum 4.8e7
"""
    )
    moved = Histogram.of(samples, "vllm:nixl_bytes_transferred")
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
