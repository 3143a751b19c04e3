"""What the preflight takes for the stack's objects is what the program tells the engine, whatever the switches."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.plan import resolve
from preflight.declared import Declared, objects
from tests.recorder import record, run_program
from tests.stack_file import settings, stack_file

STACKS = yaml.safe_load(Path(__file__).with_name("declared.yaml").read_text())


def _declared(changes: dict[str, Any], token: str | None) -> list[Declared]:
    found: list[Declared] = []

    def declare() -> None:
        secret = pulumi.Output.secret(token) if token else None
        found.extend(objects(resolve(settings(**changes), secret)))

    record(declare)
    return found


def _by_place(documents: Iterable[Any]) -> dict[str, Any]:
    """The objects by `apiVersion Kind/namespace/name`, without the data of Secrets."""
    found = {}
    for each in documents:
        metadata = each["metadata"]
        place = f"{each['apiVersion']} {each['kind']}/{metadata.get('namespace', '')}/{metadata['name']}"
        found[place] = {**each, "data": "(secret)"} if each["kind"] == "Secret" else each
    return found


@pytest.mark.parametrize(("changes", "token"), STACKS)
def test_every_object_is_registered_as_it_is_declared(changes: dict[str, Any], token: str | None) -> None:
    recorder = run_program(stack_file(**changes), token=token)
    declared = _declared(changes, token)
    registered = [each.inputs for each in recorder.declared.values() if each.is_object]
    assert _by_place(each.document for each in declared) == _by_place(registered)
    assert len({each.key for each in declared}) == len(declared)


def test_paths_and_resources_are_what_the_api_server_calls_them() -> None:
    route = Declared("gateway.networking.k8s.io/v1", "HTTPRoute", "r", "n")
    assert route.path == "/apis/gateway.networking.k8s.io/v1/namespaces/n/httproutes/r"
    assert route.resource == "httproutes.gateway.networking.k8s.io"
    role = Declared("rbac.authorization.k8s.io/v1", "ClusterRole", "c", None)
    assert role.path == "/apis/rbac.authorization.k8s.io/v1/clusterroles/c"
    assert role.resource == "clusterrole"
    assert Declared("v1", "ConfigMap", "c", "n").path == "/api/v1/namespaces/n/configmaps/c"
