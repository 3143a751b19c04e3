"""The guide's helm installation is adopted in place; objects that can't be adopted are reported with a command."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from preflight.declared import Declared
from sandbox.cluster.api import Api
from tests.sandbox.running import Running, soon
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough

GUIDE: dict[str, list[dict[str, Any]]] = yaml.safe_load((Path(__file__).with_name("guide.yaml")).read_text())
WITH_KUBECTL = ("kubectl-create", "kubectl-client-side-apply")
SPACE = "/api/v1/namespaces/llm-d-pd"
WORKERS = "/apis/apps/v1/namespaces/llm-d-pd/deployments/ms-pd-llm-d-modelservice"
POOL = "/apis/inference.networking.k8s.io/v1/namespaces/llm-d-pd/inferencepools/gaie-pd"


@pytest.fixture(scope="module")
def guide(cluster: Running, api: Api) -> Iterator[Deployment]:
    """The undeployed stack in a cluster with the guide's installation."""
    with destroyed_afterwards(deployment(cluster, "amd")) as made:
        for release, objects in GUIDE.items():
            for one in objects:
                _install(api, release, one)
        yield made


def _install(api: Api, release: str, one: dict[str, Any]) -> None:
    metadata = dict(one["metadata"])
    manager = release
    if release not in WITH_KUBECTL:
        manager = "helm"
        named = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "llm-d-pd"}
        metadata["annotations"] = named
        metadata["labels"] = {**metadata.get("labels", {}), "app.kubernetes.io/managed-by": "Helm"}
    place = _path(one).rpartition("/")[0]
    api.create(place, {**one, "metadata": metadata}, manager=manager)


def _path(one: dict[str, Any]) -> str:
    metadata = one["metadata"]
    return Declared(one["apiVersion"], one["kind"], metadata["name"], metadata.get("namespace")).path


def _uids(api: Api) -> dict[str, str]:
    return {_path(one): api.get(_path(one))["metadata"]["uid"] for objects in GUIDE.values() for one in objects}


def _refused(stack: Deployment) -> str:
    done = stack.pulumi("up", "--yes", "--skip-preview", "--color=never", ok=False)
    assert done.returncode
    assert "Nothing was touched." in done.stdout
    assert "Traceback" not in done.stdout
    return " ".join(done.stdout.split())


def test_without_adopt_one_report_names_the_owners_and_the_commands(guide: Deployment, api: Api) -> None:
    guide.configure(preflight="enforce")
    before = _uids(api)
    output = _refused(guide)
    for release in ("infra-pd", "gaie-pd", "ms-pd"):
        assert f"owner: helm release llm-d-pd/{release}" in output
        assert f"`helm uninstall {release} -n llm-d-pd`" in output or release == "ms-pd"
    assert "owner: written by kubectl-client-side-apply" in output
    assert "Namespace llm-d-pd, Secret llm-d-hf-token exist in the cluster and namespace llm-d-pd" in output
    assert "`pulumi config set --path serving.adopt true`" in output
    assert _uids(api) == before


def test_with_adopt_objects_that_cannot_be_adopted_are_reported_with_commands(guide: Deployment, api: Api) -> None:
    guide.configure(preflight=None, adopt=True)
    output = _refused(guide)
    assert ": 3 errors, " in output
    for role in ("prefill", "decode"):
        name = f"ms-pd-llm-d-modelservice-{role}"
        command = f"`kubectl -n llm-d-pd delete deployment {name}`; from then on the {role} tier has no pods"
        assert command in output
    assert "InferencePool gaie-pd exists in namespace llm-d-pd" in output
    assert "it also selects by llm-d.ai/inferenceServing=true" in output


def test_after_these_commands_up_adopts_the_rest_in_place(guide: Deployment, api: Api) -> None:
    before = _uids(api)
    for role in ("prefill", "decode"):
        api.delete(f"{WORKERS}-{role}")
    labels = {"llm-d.ai/inference-serving": "true", "llm-d.ai/instance": "pd"}
    patch = [{"op": "replace", "path": "/spec/selector/matchLabels", "value": labels}]
    api.patch(POOL, patch, "application/json-patch+json")
    output = guide.up()
    assert "note: existing objects (serving.adopt)" in output
    after = _uids(api)
    taken = {path: uid for path, uid in before.items() if not path.startswith(WORKERS)}
    assert {path: after[path] for path in taken} == taken
    assert len(taken) == sum(map(len, GUIDE.values())) - 2
    assert api.get(POOL)["spec"]["selector"]["matchLabels"] == labels
    assert api.get(f"{SPACE}/configmaps/gaie-pd-epp")["data"]["pd-config.yaml"] != "helm"
    assert api.get(f"{SPACE}/secrets/llm-d-hf-token")["data"]["HF_TOKEN"] != "aGZfdGhlaXJz"
    guide.pulumi("preview", "--expect-no-changes")


def test_a_field_of_another_manager_is_reported_before_it_is_a_conflict(guide: Deployment, api: Api) -> None:
    picker = f"{SPACE}/configmaps/gaie-pd-epp"
    guide.configure(adopt=None)
    api.patch(picker, {"data": {"pd-config.yaml": "helm"}})
    output = " ".join(guide.pulumi("preview", "--color=never").stdout.split())
    assert "warning: fields of others (serving.adopt)" in output
    assert "ConfigMap gaie-pd-epp: data.pd-config.yaml, written by sandbox" in output
    guide.pulumi("refresh", "--yes", "--skip-preview")
    done = guide.pulumi("up", "--yes", "--skip-preview", "--color=never", ok=False)
    assert done.returncode
    assert "ConfigMap gaie-pd-epp: data.pd-config.yaml, written by sandbox" in done.stdout
    assert 'conflict with "sandbox"' in done.stdout
    assert "note: fields of others" in guide.up(adopt=True)
    assert api.get(picker)["data"]["pd-config.yaml"] != "helm"
    assert "fields of others" not in guide.pulumi("preview", "--expect-no-changes").stdout


def test_afterwards_adopt_may_be_switched_off_and_the_stack_destroyed(guide: Deployment, api: Api) -> None:
    guide.configure(adopt=None)
    assert guide.changes() == {"cluster": ["update"]}
    guide.pulumi("destroy", "--yes", "--skip-preview")
    helms = "app.kubernetes.io/managed-by=Helm,app.kubernetes.io/part-of!=istio"
    assert soon(lambda: guide.objects(helms) == set(), 60)
