"""The Kubernetes plugin: ignored fields, replacements, waits, refresh, and what the stand-in refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster.api import Api, ApiError
from sandbox.engine import environment
from sandbox.engine.kubernetes import server
from sandbox.engine.kubernetes.state import MANAGER, with_ignored
from tests.sandbox.engine.harness import Stack, deployment, obj, on_cluster, proposed, provider
from tests.sandbox.running import Running

Live = Callable[[str], dict[str, Any]]


@pytest.mark.thorough
def test_a_field_that_is_ignored_stays_with_whoever_changed_it(
    stack: Stack, api: Api, namespace: str, live: Live
) -> None:
    """Measured on the official plugin 4.32: 4, then left to an autoscaler, scaled to 6, then fixed again."""

    def workers(replicas: int, image: str, *, ignored: bool) -> dict[str, Any]:
        opts = {"ignore_changes": ["spec.replicas"]} if ignored else {}
        return deployment("workers", namespace, image=image, replicas=replicas, opts=opts)

    def replicas() -> int:
        return int(live("deployments/workers")["spec"]["replicas"])

    stack.declare(p=provider(), workers=workers(4, "pause:1", ignored=False)).up().ok()

    stack.declare(p=provider(), workers=workers(1, "pause:1", ignored=True))
    stack.preview("--expect-no-changes").ok()
    stack.up().ok()
    assert replicas() == 4, "what the tier had, not what it would begin with"

    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/workers/scale"
    api.patch(path, {"spec": {"replicas": 6}}, "application/merge-patch+json", fieldManager="autoscaler")
    stack.preview("--expect-no-changes").ok()
    stack.declare(p=provider(), workers=workers(1, "pause:2", ignored=True)).up().ok()
    assert replicas() == 6
    stack.pulumi("refresh", "--yes").ok()
    stack.preview("--expect-no-changes").ok()
    stack.declare(p=provider(), workers=workers(1, "pause:1", ignored=True)).up().ok()
    assert replicas() == 6

    stack.declare(p=provider(), workers=workers(3, "pause:1", ignored=False))
    refused = stack.up().failed().output
    assert 'conflict with "autoscaler"' in refused
    assert ".spec.replicas" in refused
    assert replicas() == 6


REPLICAS: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
PLUGIN = {"manager": MANAGER, "operation": "Update", "fieldsV1": REPLICAS}
AUTOSCALER = {"manager": "autoscaler", "operation": "Update", "subresource": "scale", "fieldsV1": REPLICAS}


@pytest.mark.parametrize(
    ("owners", "paths", "sent"),
    [
        ([AUTOSCALER], ["spec.replicas"], {"paused": True}),
        ([PLUGIN], ["spec.replicas"], {"paused": True, "replicas": 6}),
        ([PLUGIN, AUTOSCALER], ["spec.replicas"], {"paused": True, "replicas": 6}),
        ([], ["spec.replicas"], {"paused": True, "replicas": 6}),
        ([AUTOSCALER], [], {"paused": True, "replicas": 4}),
    ],
)
def test_an_update_leaves_ignored_fields_out(
    owners: list[dict[str, Any]], paths: list[str], sent: dict[str, Any]
) -> None:
    """As the official plugin's `handleSSAIgnoreFields`."""
    live = {"metadata": {"managedFields": owners}, "spec": {"replicas": 6}}
    inputs = {"spec": {"replicas": 4, "paused": True}}
    assert with_ignored(inputs, live, paths) == {"spec": sent}
    assert inputs["spec"]["replicas"] == 4, "the state keeps what the engine gave"


RBAC = "rbac.authorization.k8s.io"


def objects(namespace: str, other: str, *, second: bool) -> dict[str, Any]:
    value = "2" if second else "1"
    skip = {"annotations": {"pulumi.com/skipAwait": "true"}}
    labels = {"app": "set", "v": value}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "pause:1"}]}}
    workers = deployment("workers", namespace, metadata=skip)
    workers["props"]["spec"] |= {"selector": {"matchLabels": labels}, "template": template}
    role = {"apiGroup": RBAC, "kind": "Role", "name": f"role-{value}"}
    service = {"ports": [{"port": 80}], "selector": {"app": "x"}, **({"clusterIP": "None"} if second else {})}
    return {
        "p": provider(),
        "settings": obj("core/v1:ConfigMap", f"settings-{value}", namespace, data={"k": value}),
        "token": obj("core/v1:Secret", "token", namespace, type=f"test/{value}", stringData={"k": "v"}),
        "workers": workers,
        "binding": obj(f"{RBAC}/v1:RoleBinding", "binding", namespace, roleRef=role, subjects=[]),
        "service": obj("core/v1:Service", "service", namespace, spec=service, metadata=skip),
        "renamed": obj("core/v1:ServiceAccount", f"renamed-{value}", namespace),
        "moved": obj("core/v1:ServiceAccount", "moved", other if second else namespace),
        "dependent": obj(
            "core/v1:ConfigMap", "dependent", namespace, data={"of": {"output": ["settings", "metadata", "name"]}}
        ),
    }


@pytest.mark.thorough
def test_identity_and_immutable_fields_replace(stack: Stack, api: Api, namespace: str, live: Live) -> None:
    stack.declare(**objects(namespace, "default", second=False)).up().ok()
    before = {name: resource["outputs"]["metadata"]["uid"] for name, resource in named(stack).items()}

    stack.declare(**objects(namespace, "default", second=True))
    steps = stack.steps()
    reasons = {name: step["replaceReasons"] for name, step in steps.items() if name != "dependent"}
    assert reasons == {
        "settings": ["metadata.name"],
        "token": ["type"],
        "workers": ["spec.selector.matchLabels.v"],
        "binding": ["roleRef.name"],
        "service": ["spec.clusterIP"],
        "renamed": ["metadata.name"],
        "moved": ["metadata.namespace"],
    }
    assert steps["dependent"]["op"] == "update", "its data come from a replaced object's new name"

    stack.up().ok()  # explicit names need a deletion first
    after = {name: resource["outputs"]["metadata"]["uid"] for name, resource in named(stack).items()}
    assert {name for name in before if before[name] == after[name]} == {"dependent"}
    assert live("configmaps/settings-2")["data"] == {"k": "2"}
    assert live("configmaps/dependent")["data"] == {"of": "settings-2"}
    for gone in ("configmaps/settings-1", "serviceaccounts/renamed-1", "serviceaccounts/moved"):
        with pytest.raises(ApiError, match="NotFound"):
            live(gone)
    api.delete("/api/v1/namespaces/default/serviceaccounts/moved")


def named(stack: Stack) -> dict[str, Any]:
    return {name: r for name, r in stack.resources().items() if r["type"].startswith("kubernetes:")}


@pytest.mark.thorough
def test_another_cluster_replaces_and_another_context_name_does_not(stack: Stack, namespace: str) -> None:
    thing = obj("core/v1:ConfigMap", "thing", namespace, data={"k": "v"})
    stack.declare(p=provider(clusterIdentifier="one"), thing=thing).up().ok()

    stack.declare(p=provider(clusterIdentifier="one", enablePatchForce=True), thing=thing)
    assert {name: step["op"] for name, step in stack.steps().items()} == {"p": "update"}
    stack.declare(p=provider(clusterIdentifier="two"), thing=thing)
    assert {name: "replace" in step["op"] for name, step in stack.steps().items()} == {"p": True, "thing": True}


def gateway(namespace: str) -> dict[str, Any]:
    spec = {"gatewayClassName": "x", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}
    metadata = {"annotations": {"pulumi.com/waitFor": "condition=Programmed"}}
    short = {"custom_timeouts": {"create": "3s"}}
    return obj("gateway.networking.k8s.io/v1:Gateway", "gateway", namespace, spec=spec, metadata=metadata, opts=short)


@pytest.mark.thorough
def test_waits_end_at_the_timeout_and_keep_the_object(stack: Stack, api: Api, namespace: str, live: Live) -> None:
    greedy = deployment("greedy", namespace, gpus=99, opts={"custom_timeouts": {"create": "3s"}})
    stack.declare(p=provider(), greedy=greedy, gateway=gateway(namespace))
    stack.preview().ok()  # too many GPUs, and a condition that no controller sets; a preview can't find that

    output = stack.up().failed().output
    assert "Waiting for app ReplicaSet to be available (0/1 Pods available)" in output
    assert "'greedy' timed out waiting to be Ready" in output
    assert "Insufficient" not in output, "the scheduler's reason is not shown: hence `make status`"
    assert "Resource has condition Programmed=Unknown (want True)" in output
    assert "'gateway' timed out waiting to be Ready" in output
    state = stack.resources()
    assert state["greedy"]["id"] == f"{namespace}/greedy" and state["greedy"]["initErrors"]
    assert state["gateway"]["initErrors"]

    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/gateways/gateway"
    condition = {
        "type": "Programmed",
        "status": "True",
        "reason": "Test",
        "message": "",
        "lastTransitionTime": "2024-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
    head = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "gateway"}}
    api.apply(f"{path}/status", {**head, "status": {"conditions": [condition]}})
    stack.declare(p=provider(), greedy=deployment("greedy", namespace), gateway=gateway(namespace)).up().ok()
    assert not any(resource.get("initErrors") for resource in stack.resources().values())


def _after(name: str) -> dict[str, Any]:
    """Options that order steps, because a refused step ends a preview, and other steps must come before it."""
    return {"depends_on": [name]}


@pytest.mark.thorough
def test_refresh_sees_the_drift_that_a_preview_does_not(stack: Stack, api: Api, namespace: str, live: Live) -> None:
    root = f"/api/v1/namespaces/{namespace}"
    objects = {
        "p": provider(),
        "lost": obj("core/v1:ServiceAccount", "lost", namespace),
        "drifting": obj("core/v1:ConfigMap", "drifting", namespace, data={"k": "v", "same": "x"}, opts=_after("lost")),
        "secret": obj("core/v1:Secret", "secret", namespace, stringData={"k": "v"}),
        "workers": deployment("workers", namespace, container={"resources": {"limits": {"cpu": "1000m"}}}),
    }
    stack.declare(**objects).up().ok()
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes").ok()

    drift = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "drifting"}, "data": {"k": "drifted"}}
    api.apply(f"{root}/configmaps/drifting", drift)
    api.delete(f"{root}/serviceaccounts/lost")
    stack.preview("--expect-no-changes").ok()

    stack.pulumi("refresh", "--yes", "--skip-preview").ok()
    assert "lost" not in stack.resources()
    steps = proposed(stack.preview("--json"))  # the other manager's field is also a conflict
    found = {name: (step["op"], list(step.get("detailedDiff") or {})) for name, step in steps.items()}
    assert found == {"drifting": ("update", ["data.k"]), "lost": ("create", [])}


@pytest.fixture
def stand_in(tmp_path: Path, cluster: Running, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack that uses the stand-ins even if the official executables are on the machine."""
    monkeypatch.setattr(environment, "find_official", lambda *_: environment.Official(None, None))
    stack = on_cluster(tmp_path, cluster)
    stack.engine.env["PULUMI_IGNORE_AMBIENT_PLUGINS"] = "true"
    return stack


def test_a_misspelt_field_is_refused(stand_in: Stack, namespace: str) -> None:
    stand_in.declare(p=provider(), misspelt=deployment("misspelt", namespace, replicaz=2))
    assert 'strict decoding error: unknown field "spec.replicaz"' in stand_in.preview().failed().output


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, "the sandbox makes no names"),
        ({"name": "x", "annotations": {"pulumi.com/skipAwiat": "true"}}, "the sandbox knows only"),
        (
            {"name": "x", "annotations": {"pulumi.com/waitFor": "Programmed"}},
            "'Programmed' is neither condition=Type[=Status] nor jsonpath={.path}[=value]",
        ),
    ],
)
def test_features_of_the_official_plugin_alone_are_refused(metadata: dict[str, Any], expected: str) -> None:
    refused = server.of_object({"kind": "ConfigMap", "metadata": {"namespace": "n", **metadata}})
    assert [expected in reason for _, reason in refused] == [True]


def test_provider_settings_of_the_official_plugin_alone_are_refused(stand_in: Stack) -> None:
    stand_in.declare(p=provider(renderYamlToDirectory="out", enableSecretMutable=False))
    output = stand_in.preview().failed().output
    assert "renderYamlToDirectory" in output and "enableSecretMutable" in output
