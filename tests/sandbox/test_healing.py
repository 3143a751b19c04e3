"""Unrecorded objects and their deletion, on a real API server."""

import json
from pathlib import Path
from typing import Any

from sandbox import healing
from sandbox.cluster.api import Api
from sandbox.home import Home

_MAPS = "/api/v1/namespaces/default/configmaps"


def _made(api: Api, name: str, manager: str) -> str:
    labels = {"app.kubernetes.io/part-of": "llm-d-pd"}
    api.create(_MAPS, {"metadata": {"name": name, "labels": labels}, "data": {"key": "value"}}, manager=manager)
    return f"{_MAPS}/{name}"


def _state(home: Home, *resources: dict[str, Any]) -> None:
    folder = home.state / "backend" / ".pulumi" / "stacks" / "llm-d-pd"
    folder.mkdir(parents=True)
    (folder / "other.json").write_text(json.dumps({"checkpoint": {"latest": {"resources": resources}}}))


def test_unrecorded_objects_are_those_of_pulumi_in_no_state(api: Api, tmp_path: Path) -> None:
    home = Home(tmp_path)
    _state(home, {"inputs": {"kind": "ConfigMap"}, "id": "default/healing-recorded"}, {"id": "a-component"})
    recorded = _made(api, "healing-recorded", "pulumi-kubernetes")
    lost = _made(api, "healing-lost", "pulumi-kubernetes")
    another = _made(api, "healing-another", "kubectl-create")
    try:
        assert {recorded, lost, another} & set(healing.unrecorded(home, api)) == {lost}
    finally:
        for path in (recorded, lost, another):
            api.delete(path)
