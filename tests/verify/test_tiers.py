"""Whether a tier's pods are complete."""

from typing import Any

from tests.verify.test_crashes import pod
from verify.finding import Outcome
from verify.outputs import Workload
from verify.tiers import judged, read


class Scaled:
    """A cluster; an autoscaler has scaled the Deployment to two."""

    def get(self, path: str, **query: str) -> Any:
        if path.endswith("/deployments/ms-decode"):
            return {"spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}}}
        return {"items": [pod("d-0", 0), pod("d-1", 0, ready=False)]}


class Outputs:
    """A stack that leaves the number of decode workers to an autoscaler."""

    namespace = "llm-d-pd"
    workloads = {"decode": Workload("ms-decode", None, None, rdma=True)}


def test_an_autoscaled_tier_is_complete_when_all_that_are_asked_for_are_ready() -> None:
    cluster: Any = Scaled()
    outputs: Any = Outputs()
    tier = read(cluster, outputs, "decode")
    found = judged(tier, {})
    assert found.outcome is Outcome.FAILED
    assert found.evidence.startswith("1 of 2 pods Ready, ")
    tier.pods[1] = pod("d-1", 0)
    found = judged(tier, {})
    assert found.outcome is Outcome.OK
    assert "autoscaled (ms-decode)" in found.evidence
