"""Objects under the stack's names: the stack's own, leftovers, another install's, a helm release's."""

from typing import Any

from preflight.checks import identity, owners
from preflight.state import State
from tests.preflight.typed import UID, Typed, facts

SERVICE = "/api/v1/namespaces/llm-d-pd/services/gaie-pd-epp"
TOKEN = "/api/v1/namespaces/llm-d-pd/secrets/gaie-pd-epp-metrics-reader"
ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/gaie-pd-llm-d-pd-epp"
DECODE = "/apis/apps/v1/namespaces/llm-d-pd/deployments/ms-pd-llm-d-modelservice-decode"
PICKER = "/apis/apps/v1/namespaces/llm-d-pd/deployments/gaie-pd-epp"
LABELS = {"app.kubernetes.io/part-of": "llm-d-pd", "llm-d.ai/instance": "pd"}
HELM = {"meta.helm.sh/release-name": "gaie-pd", "meta.helm.sh/release-namespace": "llm-d-pd"}
KNOWN = State(known=True)


def live(*managers: str, uid: str = "u", **metadata: Any) -> dict[str, Any]:
    entries = [{"manager": each} for each in managers]
    return {"metadata": {"namespace": "llm-d-pd", "uid": uid, "managedFields": entries, **metadata}}


def workload(selector: dict[str, str], grace: int = 30, **metadata: Any) -> dict[str, Any]:
    spec = {"selector": {"matchLabels": selector}, "template": {"spec": {"terminationGracePeriodSeconds": grace}}}
    return {**live("helm", annotations=HELM, **metadata), "spec": spec}


def findings(answers: dict[str, Any], state: State = KNOWN, **changes: Any) -> list[Any]:
    return list(owners.check(facts(Typed(answers), state, **changes)))


def test_what_the_state_has_is_the_stacks_own() -> None:
    state = State(known=True, uids={"Service/llm-d-pd/gaie-pd-epp": "u"})
    assert findings({SERVICE: live("pulumi-kubernetes", labels=LABELS)}, state) == []
    [finding] = findings({SERVICE: live("pulumi-kubernetes", labels=LABELS, uid="other")}, state)
    assert "owner: an interrupted run, or another Pulumi stack (written by pulumi-kubernetes)" in finding.evidence


def test_without_a_state_to_read_labels_and_manager_tell() -> None:
    assert findings({SERVICE: live("pulumi-kubernetes", labels=LABELS)}, State()) == []
    assert len(findings({SERVICE: live("kubectl-create", labels=LABELS)}, State())) == 1
    assert len(findings({SERVICE: live("pulumi-kubernetes")}, State())) == 1


def test_leftovers_are_reported_with_the_commands_that_remove_them() -> None:
    answers = {each: live("pulumi-kubernetes", labels=LABELS) for each in (SERVICE, TOKEN)}
    [finding] = findings({**answers, ROLE: live("pulumi-kubernetes", labels=LABELS)})
    assert finding.severity == "error"
    assert (
        "ClusterRole gaie-pd-llm-d-pd-epp, Secret gaie-pd-epp-metrics-reader, Service gaie-pd-epp" in finding.evidence
    )
    assert "`pulumi config set --path serving.adopt true`" in finding.remedy
    assert (
        "`kubectl delete clusterrole/gaie-pd-llm-d-pd-epp`, "
        "`kubectl -n llm-d-pd delete secret/gaie-pd-epp-metrics-reader service/gaie-pd-epp`" in finding.remedy
    )


def test_a_helm_release_is_named_once_with_all_its_objects() -> None:
    [finding] = findings({each: live("helm", annotations=HELM) for each in (SERVICE, TOKEN)})
    assert "owner: helm release llm-d-pd/gaie-pd" in finding.evidence
    assert "`helm uninstall gaie-pd -n llm-d-pd`" in finding.remedy


def test_an_object_of_another_owner_names_its_field_managers() -> None:
    [finding] = findings({SERVICE: live("kubectl-create", "kubectl-edit")})
    assert "owner: written by kubectl-create, kubectl-edit" in finding.evidence


def test_adopting_tells_what_is_taken_over_and_stops_nothing() -> None:
    [finding] = findings({SERVICE: live("helm", annotations=HELM)}, adopt=True)
    assert (finding.severity, "takes them over in place" in finding.outcome) == ("note", True)
    assert "do not `helm uninstall` afterwards" in finding.remedy


def test_another_installs_objects_are_refused_also_when_adopting() -> None:
    existing = live("pulumi-kubernetes", labels={**LABELS, "llm-d.ai/instance": "two"})
    for adopt in (False, True):
        [finding] = findings({SERVICE: existing}, adopt=adopt)
        assert (finding.severity, finding.path) == ("error", "serving.postfix")
        assert "owner: the install with postfix two" in finding.evidence
        assert "not taken over" in finding.outcome


def test_a_worker_deployment_with_another_selector_has_to_go() -> None:
    selector = {"llm-d.ai/role": "decode", "llm-d.ai/model": "random_model"}
    [finding] = findings({DECODE: workload(selector, grace=45)}, adopt=True)
    assert finding.severity == "error"
    assert "its selector is llm-d.ai/role=decode, llm-d.ai/model=random_model" in finding.evidence
    assert "`kubectl -n llm-d-pd delete deployment ms-pd-llm-d-modelservice-decode`" in finding.remedy
    assert "at most 41 minutes (45 s for old pods to end, 2400 s" in finding.remedy


def test_a_label_too_many_in_a_selector_would_outlive_the_take_over() -> None:
    pool = "/apis/inference.networking.k8s.io/v1/namespaces/llm-d-pd/inferencepools/gaie-pd"
    selector = {"matchLabels": {"llm-d.ai/inferenceServing": "true"}}
    existing = {**live("helm", annotations=HELM), "spec": {"selector": selector}}
    [finding] = findings({pool: existing}, adopt=True)
    assert finding.severity == "error"
    assert "it also selects by llm-d.ai/inferenceServing=true" in finding.evidence
    assert finding.remedy == (
        "`kubectl -n llm-d-pd patch inferencepools.inference.networking.k8s.io gaie-pd --type=json -p "
        '\'[{"op":"replace","path":"/spec/selector/matchLabels","value":{"llm-d.ai/inference-serving":"true",'
        '"llm-d.ai/instance":"pd"}}]\'`'
    )
    less = {**existing, "spec": {"selector": {"matchLabels": {"llm-d.ai/inference-serving": "yes"}}}}
    [finding] = findings({pool: less}, adopt=True)
    assert finding.severity == "note", "the stack's value replaces the live one"
    [finding] = findings({pool: existing})
    assert "`helm uninstall gaie-pd -n llm-d-pd`" in finding.remedy


def test_a_deployment_with_our_selector_is_taken_over() -> None:
    [finding] = findings({PICKER: workload({"inferencepool": "gaie-pd-epp"})}, adopt=True)
    assert finding.severity == "note"
    [finding] = findings({PICKER: workload({"app": "epp"})}, adopt=True)
    assert "the picker has no pods until the new pod is Ready" in finding.remedy


def test_the_uid_identifies_the_cluster() -> None:
    assert list(identity.check(facts(Typed(), State(True, UID)))) == []
    assert list(identity.check(facts(Typed(), State(True)))) == []
    place = "context prod, server https://prod"
    [finding] = identity.check(facts(Typed(), State(True, "2222", place)))
    assert finding.severity == "error"
    assert f"UID 2222 ({place}), this one has UID 1111 (context typed)" in finding.evidence
    hidden = Typed(codes={"/api/v1/namespaces/kube-system": 403})
    [finding] = identity.check(facts(hidden, State(True, "2222")))
    assert finding.severity == "warning"


def test_a_state_is_read_from_types_and_outputs() -> None:
    metadata = {"name": "gaie-pd-epp", "namespace": "llm-d-pd", "uid": "u"}
    state = State.of(
        [
            ("pulumi:pulumi:Stack", {"context": "c", "server": "s", "release": "0.6"}),
            ("llm-d-pd:index:TargetCluster", {"uid": "1111", "ordered": True}),
            ("kubernetes:core/v1:Service", {"metadata": metadata}),
            ("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", {"metadata": {"name": "r", "uid": "v"}}),
            ("kubernetes:core/v1:Secret", None),
            ("kubernetes:core/v1:ConfigMap", {"metadata": "hidden"}),
        ]
    )
    uids = {"Service/llm-d-pd/gaie-pd-epp": "u", "ClusterRole//r": "v"}
    assert state == State(True, "1111", "context c, server s", "0.6", uids, ordered=True)
