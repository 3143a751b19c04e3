"""Settings of the EPP: the objects that they change. `tests/plan/test_releases.py` has its configurations."""

from typing import Any

import yaml

from tests.program.wire import AMD, Made, made


def test_another_configuration_is_another_pod_and_another_flag_leaves_the_configuration() -> None:
    def annotation(stack: Made) -> str:
        template = stack.objects["Deployment/gaie-pd-epp"]["spec"]["template"]
        return str(template["metadata"]["annotations"]["llm-d.ai/config-sha256"])

    assert annotation(made({**AMD, "routing": {"selectivePd": {"nonCachedTokens": 64}}})) != annotation(made(AMD))
    assert annotation(made({**AMD, "routing": {"verbosity": 5}})) == annotation(made(AMD))


def _picker(serving: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = made({**AMD, **serving}).objects["Deployment/gaie-pd-epp"]["spec"]["template"]["spec"]
    return spec


def test_a_picker_with_a_configuration_of_the_users_may_write_to_tmp() -> None:
    """Its plugins may be others than the program's: the precise prefix cache keeps tokenizers there."""
    config = yaml.safe_load(made(AMD).objects["ConfigMap/gaie-pd-epp"]["data"]["pd-config.yaml"])
    own = _picker({"routing": {"config": config}})
    assert {each["name"]: each for each in own["volumes"]}["scratch"] == {"name": "scratch", "emptyDir": {}}
    assert {"name": "scratch", "mountPath": "/tmp"} in own["containers"][0]["volumeMounts"]
    assert [each["name"] for each in _picker({})["volumes"]] == ["plugins-config-volume"]
