"""What the stack's state says, and of which cluster it is."""

from typing import Any

from preflight.checks import identity
from preflight.state import State
from tests.preflight.typed import Typed, facts


def test_a_state_is_read_from_types_and_outputs() -> None:
    metadata = {"name": "gaie-pd-epp", "namespace": "llm-d-pd", "uid": "u"}
    state = State.of(
        [
            ("pulumi:pulumi:Stack", {"context": "c", "server": "s", "release": "0.6"}),
            ("llm-d-pd:index:TargetCluster", {"uid": "1111", "ordered": True}),
            ("kubernetes:core/v1:Service", {"metadata": metadata, "__inputs": {"spec": {}}}),
            ("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", {"metadata": {"name": "r", "uid": "v"}}),
            ("kubernetes:core/v1:Secret", None),
            ("kubernetes:core/v1:ConfigMap", {"metadata": "hidden"}),
        ]
    )
    uids = {"Service/llm-d-pd/gaie-pd-epp": "u", "ClusterRole//r": "v"}
    inputs: dict[str, Any] = {"Service/llm-d-pd/gaie-pd-epp": {"spec": {}}}
    assert state == State(True, "1111", "context c, server s", "0.6", uids, inputs, ordered=True)


def test_a_cluster_that_hides_its_uid_is_a_warning() -> None:
    hidden = Typed(codes={"/api/v1/namespaces/kube-system": 403})
    [finding] = identity.check(facts(hidden, State(True, "2222")))
    assert finding.severity == "warning"
