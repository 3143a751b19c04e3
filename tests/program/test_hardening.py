"""What containers are kept from, in every stack: the picker, the sidecar, and the tokens of all."""

from typing import Any

import pytest
import yaml

from tests.program.wire import AMD, pod, ran, vllm

CONFINED = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
STACKS: list[dict[str, Any]] = [{}, {"hostNetwork": True}, {"release": "0.4"}]


def _picker(serving: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = ran({**AMD, **serving}).objects["Deployment/gaie-pd-epp"]["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("serving", STACKS, ids=str)
def test_picker_and_sidecar_have_no_rights_at_all(serving: dict[str, Any]) -> None:
    [picker], [sidecar] = _picker(serving)["containers"], pod(ran({**AMD, **serving}), "decode")["initContainers"]
    assert picker["securityContext"] == sidecar["securityContext"] == CONFINED


@pytest.mark.parametrize("serving", STACKS, ids=str)
def test_workers_are_privileged_on_the_hosts_network_alone_and_have_no_token(serving: dict[str, Any]) -> None:
    recorder = ran({**AMD, **serving})
    for role in ("prefill", "decode"):
        assert vllm(recorder, role).get("securityContext", {}).get("privileged", False) == ("hostNetwork" in serving)
        assert pod(recorder, role)["automountServiceAccountToken"] is False
    assert "automountServiceAccountToken" not in _picker(serving)


def test_a_picker_with_a_configuration_of_the_users_may_write_to_tmp() -> None:
    """Its plugins may be others than the program's: the precise prefix cache keeps tokenizers there."""
    config = yaml.safe_load(ran(AMD).objects["ConfigMap/gaie-pd-epp"]["data"]["pd-config.yaml"])
    own = _picker({"routing": {"config": config}})
    assert {each["name"]: each for each in own["volumes"]}["scratch"] == {"name": "scratch", "emptyDir": {}}
    assert {"name": "scratch", "mountPath": "/tmp"} in own["containers"][0]["volumeMounts"]
    assert [each["name"] for each in _picker({})["volumes"]] == ["plugins-config-volume"]
