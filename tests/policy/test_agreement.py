"""The objects of the program pass the policy pack, and the remedies of the pack name settings that exist."""

import re
from typing import Any

import pytest

from policy.rules import RULES
from tests.docs.pages import settings
from tests.policy.test_rules import REJECTED, found
from tests.program.policies import violations
from tests.recorder import run_program

NVIDIA: dict[str, Any] = {"accelerator": "nvidia", "model": {"name": "org/model"}}
EXISTING = {"namespace": "llm", "createNamespace": False}
DIGEST = "registry.example.com/vllm@sha256:ffb2d59b1c059a5bd8d781320c9f5189de8293693b7d95da54befddaa54abf52"
PATH = re.compile(r"\bserving(?:\.(?:<prefill\|decode>|\w+))+")

DEPLOYED: dict[str, dict[str, Any]] = {
    "slices of a GPU": {"gpuResource": "nvidia.com/mig-3g.71gb", "decode": {"tensorParallel": 1}},
    "shared GPUs": {"gpuResource": "nvidia.com/gpu.shared"},
    "GPUs of a name of their own": {"gpuResource": "example.com/slice"},
    "partitions": {"accelerator": "amd", "gpuResource": "amd.com/cpx_nps4", "gpusPerNode": 64},
    "a whole node, of which half is used": {"infrastructure": "gke-roce", "decode": {"tensorParallel": 4}},
    "the host's network": {"hostNetwork": True, "rdma": {"resource": "rdma/ib"}},
    "OpenShift": {"infrastructure": "openshift-roce", "gateway": {"provider": "data-science-gateway"}},
    "a debug build of a fork": {"accelerator": "amd", "release": "0.4"},
    "images by digest": {"prefill": {"image": DIGEST}, "decode": {"image": DIGEST}},
    "weights from a claim": {**EXISTING, "model": {"name": "org/model", "claim": "weights", "path": "llama"}},
    "an Envoy of its own behind an Ingress": {
        "gateway": {"provider": "standalone", "ingress": {"host": "models.example.com"}},
        "security": {"level": "locked"},
    },
    "an Envoy with HTTPS": {
        "gateway": {"provider": "standalone", "tls": {"certificateRefs": [{"name": "certificate"}]}}
    },
    "several pickers and traces": {"routing": {"replicas": 2}, "tracing": {"endpoint": "http://otel:4317"}},
    "flags of vLLM's": {"decode": {"extraArgs": ["--max-num-seqs=256", "-O3"], "env": {"TOKENIZERS_PARALLELISM": "0"}}},
}


@pytest.mark.parametrize("name", DEPLOYED)
def test_what_the_program_deploys_breaks_no_rule(name: str) -> None:
    assert violations(run_program({**NVIDIA, **DEPLOYED[name]})) == []


def test_every_remedy_is_a_setting_that_exists() -> None:
    known = settings()
    texts = [each.change for name, subject, *_ in REJECTED for each in found(name, subject)]
    texts += [f"{rule.must} {rule.outcome}" for rule in RULES]
    named = {
        path.replace("<prefill|decode>", role)
        for text in texts
        for path in PATH.findall(text)
        for role in ("prefill", "decode")
    }
    assert {"serving.hostNetwork", "serving.gateway.image", "serving.decode.tensorParallel"} <= named
    assert named - known.keys() == set()
