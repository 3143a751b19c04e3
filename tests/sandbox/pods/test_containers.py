"""Volumes, environment and root of containers, and waits for missing objects."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.cluster import lifecycle
from sandbox.progress import Progress
from tests.sandbox import running
from tests.sandbox.pods.harness import Pods, container, ended, pods_of, shell
from tests.sandbox.running import Running

pytestmark = pytest.mark.thorough

EVERY_VOLUME = """
cat /config/a.txt /config/renamed /config-key /secret/KEY /labels/all /host/machine
test "$(stat -L -c %a /secret/KEY)" = 400 && echo modes
test -s /var/run/secrets/kubernetes.io/serviceaccount/token && echo token
test -s /var/run/secrets/kubernetes.io/serviceaccount/ca.crt && echo authority
cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo
echo kept >> /claim/file && cat /claim/file
echo x > /empty/file && echo empty
stat -f -c %T /memory; stat -f -c '%b * %S' /memory
(echo x > /new-file) 2> /dev/null || echo root is read-only
(echo x > /config/a.txt) 2> /dev/null || echo config is read-only
(echo x > /host/new) 2> /dev/null || echo host is read-only
ls -d /home /boot /srv /var/log 2> /dev/null
hostname; pwd; echo $0; id -u
"""


def everything(pods: Pods) -> None:
    """A pod with every kind of volume."""
    machine = pods.cluster.home.root / "of-the-machine"
    machine.mkdir(exist_ok=True)
    (machine / "machine").write_text("of the machine\n")
    pods.make("configmaps", "settings", data={"a.txt": "of a config map\n", "b": "by another name\n"})
    pods.make("secrets", "key", data={"KEY": base64.b64encode(b"of a secret\n").decode()})
    volumes = [
        {
            "name": "config",
            "configMap": {
                "name": "settings",
                "items": [{"key": "a.txt", "path": "a.txt"}, {"key": "b", "path": "renamed"}],
            },
        },
        {"name": "secret", "secret": {"secretName": "key", "defaultMode": 0o400}},
        {"name": "empty", "emptyDir": {}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {
            "name": "labels",
            "downwardAPI": {"items": [{"path": "all", "fieldRef": {"fieldPath": "metadata.labels"}}]},
        },
        {"name": "host", "hostPath": {"path": str(machine)}},
        {"name": "library", "hostPath": {"path": "/not/on/this/machine.so", "type": "File"}},
    ]
    mounts = {name: f"/{name}" for name in ("config", "secret", "empty", "memory", "labels", "host")}
    mounted = [{"name": name, "mountPath": path} for name, path in mounts.items()]
    mounted += [
        {"name": "config", "mountPath": "/config-key", "subPath": "renamed"},
        {"name": "library", "mountPath": "/usr/lib/sandbox-test/machine.so"},
        {"name": "empty", "mountPath": "/claim"},
    ]
    script = EVERY_VOLUME + "test -f /usr/lib/sandbox-test/machine.so && test -x /usr/bin/env && echo mounted in /usr\n"
    one = shell(script, volumeMounts=mounted, securityContext={"readOnlyRootFilesystem": True}, workingDir="/empty")
    pods.run(one, metadata={"labels": {"role": "x"}}, volumes=volumes, restartPolicy="Never")


def check_everything(pods: Pods) -> None:
    pod = pods.until(ended)
    assert pods.log().splitlines() == [
        "of a config map",
        "by another name",
        "by another name",
        "of a secret",
        'role="x"of the machine',
        "modes",
        "token",
        "authority",
        pods.namespace,
        "kept",
        "empty",
        "tmpfs",
        "256 * 4096",
        "root is read-only",
        "config is read-only",
        "host is read-only",
        "p",
        "/empty",
        "sh",
        "0",
        "mounted in /usr",
    ]
    assert container(pod)["state"]["terminated"]["exitCode"] == 0
    assert not Path("/usr/lib/sandbox-test").exists()


def test_every_kind_of_volume_works(pods: Pods) -> None:
    everything(pods)
    check_everything(pods)


@pytest.fixture
def unprivileged() -> Iterator[Running]:
    """A sandbox of a user without privileges on this machine."""
    home = running.private_home("unprivileged")
    try:
        yield running.start_unprivileged(home)
    finally:
        running.throw_away(home)


def test_every_kind_of_volume_works_for_an_unprivileged_user(unprivileged: Running) -> None:
    running.provide_nodes(unprivileged, count=1)
    with pods_of(unprivileged) as pods:
        everything(pods)
        check_everything(pods)


@pytest.mark.thorough
def test_a_missing_program_is_reported_with_its_command_and_runs_once_built() -> None:
    home = running.private_home("unbuilt")
    tools = {**running.tools(), "pd-sidecar-v0.4.0": home.root / "sidecar"}
    try:
        lifecycle.start(home, tools, Progress())
        running.provide_nodes(Running(home), count=1)
        with pods_of(Running(home)) as pods:
            pods.run({"name": "c", "image": "ghcr.io/llm-d/llm-d-routing-sidecar:v0.4.0"})
            pod = pods.until(lambda pod: container(pod)["state"].get("waiting", {}).get("reason") == "ErrImagePull")
            message = container(pod)["state"]["waiting"]["message"]
            assert "`.venv/bin/python -m sandbox.toolchain pd-sidecar-v0.4.0`" in message
            (home.root / "sidecar").symlink_to(running.tools()["pd-sidecar-v0.7.1"])
            pods.until(lambda pod: "running" in container(pod)["state"])
    finally:
        running.throw_away(home)


def test_a_container_waits_for_objects_of_its_environment(pods: Pods) -> None:
    reference = {"secretKeyRef": {"name": "late", "key": "K"}}
    pods.run(shell("echo $K", env=[{"name": "K", "valueFrom": reference}]), restartPolicy="Never")
    waits = {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "late" not found'}}
    pods.until(lambda pod: container(pod)["state"] == waits)
    pods.make("secrets", "late", data={})
    words = f"couldn't find key K in Secret {pods.namespace}/late"
    pods.until(lambda pod: container(pod)["state"]["waiting"]["message"] == words)
    pods.api.patch(pods.path("secrets", "late"), {"stringData": {"K": "value"}})
    pods.until(ended)
    assert pods.log() == "value\n"


def test_images_without_a_shell_have_none(pods: Pods) -> None:
    image = "ghcr.io/llm-d/llm-d-routing-sidecar:v0.7.1"
    pods.run({"name": "c", "image": image, "command": ["sh", "-c", "true"]}, restartPolicy="Never")
    assert container(pods.until(ended))["state"]["terminated"]["reason"] == "StartError"
