"""Rights of containers: user, read-only root, capabilities."""

import os
from typing import Any

import pytest

from sandbox.cluster import lifecycle
from tests.sandbox.pods.harness import Pods, container, ended, shell
from tests.sandbox.running import Running

FOUND = """
id -u; id -g; id -G
grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status | tr '\\t' ' '
for file in /new /tmp/new /empty/new; do (echo x > $file) 2> /dev/null && echo writes $file; done
test -r /var/run/secrets/kubernetes.io/serviceaccount/token && echo reads its token
"""


@pytest.fixture(autouse=True)
def users(cluster: Running) -> None:
    """Skip if containers can't run as different users; CI must be able to."""
    if not lifecycle.has_users(cluster.home):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no subordinate ids: container users are not simulated")


EMPTY = {"name": "empty", "emptyDir": {}}


def _found(pods: Pods, name: str, context: dict[str, Any], **pod: Any) -> list[str]:
    mounts = [{"name": "empty", "mountPath": "/empty"}]
    one = shell(FOUND, volumeMounts=mounts, securityContext=context)
    pods.run(one, name=name, restartPolicy="Never", volumes=[EMPTY], **pod)
    pods.until(ended, name)
    return pods.log(name).splitlines()


def test_a_confined_container_has_no_rights_and_cannot_write_to_its_root(pods: Pods) -> None:
    context = {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    nothing = "0000000000000000"
    assert _found(pods, "confined", context) == [
        *("65532", "0", "0"),
        *(f"CapEff: {nothing}", f"CapBnd: {nothing}", "NoNewPrivs: 1"),
        "writes /empty/new",
        "reads its token",
    ]


def test_a_container_without_settings_is_root_with_the_usual_capabilities(pods: Pods) -> None:
    usual = "00000000a80425fb"  # containerd's default set
    assert _found(pods, "usual", {}) == [
        *("0", "0", "0"),
        *(f"CapEff: {usual}", f"CapBnd: {usual}", "NoNewPrivs: 0"),
        *("writes /new", "writes /tmp/new", "writes /empty/new"),
        "reads its token",
    ]


def test_a_container_that_must_not_be_root_is_not_started_as_root(pods: Pods) -> None:
    pods.run(shell("true", securityContext={"runAsNonRoot": True}))
    said = {
        "reason": "CreateContainerConfigError",
        "message": "container has runAsNonRoot and image will run as root",
    }
    pods.until(lambda pod: container(pod)["state"] == {"waiting": said})


CLAIM = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Mi"}}}
VOLUME = {"name": "claim", "persistentVolumeClaim": {"claimName": "weights"}}
VLLM = {
    "name": "c",
    "image": "ghcr.io/llm-d/llm-d-cuda:v0.6.0",
    "command": ["vllm", "serve", "meta/llama"],
    "env": [{"name": "HF_HOME", "value": "/weights"}],
    "volumeMounts": [{"name": "claim", "mountPath": "/weights"}],
}


def test_a_new_claim_belongs_to_root_and_the_user_of_the_cuda_image_cannot_download_to_it(pods: Pods) -> None:
    pods.make("persistentvolumeclaims", "weights", spec=CLAIM)
    pods.run(VLLM, restartPolicy="Never", volumes=[VOLUME])
    assert container(pods.until(ended))["state"]["terminated"]["exitCode"] == 1
    assert "PermissionError at /weights/hub when downloading meta/llama" in pods.log()


def test_an_fsgroup_owns_a_claim_and_its_files(pods: Pods) -> None:
    pods.make("persistentvolumeclaims", "weights", spec=CLAIM)
    mounts = {"volumeMounts": VLLM["volumeMounts"]}
    pods.run(shell("mkdir /weights/sub; echo x > /weights/sub/file", **mounts), restartPolicy="Never", volumes=[VOLUME])
    pods.until(ended)
    found = "id -G; cd /weights; stat -c '%a %u:%g %n' . sub sub/file; echo x >> sub/file && touch new && echo written"
    one = {**VLLM, "command": ["/bin/sh", "-c", found]}
    context = {"fsGroup": 2000, "fsGroupChangePolicy": "OnRootMismatch"}
    pods.run(one, name="second", restartPolicy="Never", volumes=[VOLUME], securityContext=context)
    pods.until(ended, "second")
    expected = ["0 2000", "2775 0:2000 .", "2775 0:2000 sub", "664 0:2000 sub/file", "written"]
    assert pods.log("second").splitlines() == expected
