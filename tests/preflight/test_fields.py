"""Fields of the stack's own objects that another manager has: found where the program sets them."""

from typing import Any

from preflight.checks import fields
from preflight.state import State
from tests.preflight.typed import Typed, facts

DECODE = "/apis/apps/v1/namespaces/llm-d-pd/deployments/ms-pd-llm-d-modelservice-decode"
KEY = "Deployment/llm-d-pd/ms-pd-llm-d-modelservice-decode"
INPUTS = {
    "spec": {
        "replicas": 1,
        "template": {"spec": {"containers": [{"name": "vllm", "image": "vllm", "env": [{"name": "A", "value": "1"}]}]}},
    }
}
CONTAINER = 'k:{"name":"vllm"}'


def container(**below: Any) -> dict[str, Any]:
    """The fields of the one container."""
    return {"f:spec": {"f:template": {"f:spec": {"f:containers": {CONTAINER: {".": {}, **below}}}}}}


def entry(manager: str, fields_v1: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"manager": manager, "fieldsV1": fields_v1, **more}


def findings(*entries: dict[str, Any], uid: str = "u", **changes: Any) -> list[Any]:
    state = State.of([("kubernetes:apps/v1:Deployment", _outputs())])
    assert state.uids == {KEY: "u"}
    live = {"metadata": {"uid": uid, "managedFields": list(entries)}}
    return list(fields.check(facts(Typed({DECODE: live}), state, **changes)))


def _outputs() -> dict[str, Any]:
    name = {"namespace": "llm-d-pd", "name": "ms-pd-llm-d-modelservice-decode", "uid": "u"}
    return {"metadata": name, "__inputs": INPUTS}


def test_a_finding_has_fields_managers_and_the_remedy() -> None:
    scaled = entry("kubectl", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    [finding] = findings(scaled, entry("kubectl-edit", container(**{"f:image": {}})))
    assert (finding.severity, finding.path) == ("warning", "serving.adopt")
    assert finding.evidence == (
        "Deployment ms-pd-llm-d-modelservice-decode: spec.replicas, written by kubectl\n"
        "Deployment ms-pd-llm-d-modelservice-decode: spec.template.spec.containers[vllm].image, written by kubectl-edit"
    )
    assert "ends in a conflict" in finding.outcome
    assert "`pulumi refresh`, `pulumi config set --path serving.adopt true` and `pulumi up`" in finding.remedy


def test_with_adopt_it_is_a_note() -> None:
    [finding] = findings(entry("kubectl", {"f:spec": {"f:replicas": {}}}), adopt=True)
    assert (finding.severity, finding.remedy) == ("note", "")


def test_the_replicas_of_an_autoscaler_are_no_finding() -> None:
    replicas = entry("autoscaler", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    assert findings(replicas, decode__replicas=None) == []
    [finding] = findings(replicas, entry("kubectl-edit", container(**{"f:image": {}})), decode__replicas=None)
    assert "image, written by kubectl-edit" in finding.evidence
    assert "spec.replicas" not in finding.evidence


def test_no_conflict_is_no_finding() -> None:
    replicas: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
    own = entry("pulumi-kubernetes", replicas)
    assert findings(own) == []
    assert findings(own, entry("kubectl", replicas)) == [], "two may have a field of the same value"
    assert findings(entry("kube-controller-manager", replicas, subresource="status")) == []
    assert findings(entry("kubectl", {"f:spec": {"f:paused": {}}})) == [], "the program does not set it"
    env: dict[str, Any] = {"f:env": {'k:{"name":"B"}': {".": {}, "f:value": {}}}}
    assert findings(entry("kubectl", container(**env))) == []
    assert findings(entry("kubectl", {"f:spec": {"f:template": {}}})) == [], "the mapping, nothing in it"
    assert findings(entry("kubectl", {"f:metadata": {"f:finalizers": {".": {}, 'v:"x"': {}}}})) == []
    assert findings(entry("kubectl", replicas), uid="anothers") == []
