"""The kubelet of the sandbox: volumes, programs and rights of containers, in pods that are typed here."""

import base64
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sandbox.cluster import lifecycle
from sandbox.cluster.api import Api, ApiError, Object, connect
from sandbox.pods.containers import program, service_links
from sandbox.progress import Progress
from tests.sandbox import running
from tests.sandbox.running import Running, provide_nodes

PATIENCE = 30.0
"""Seconds; the machine may be busy."""


def shell(script: str, **more: Any) -> Object:
    """A container `c` that runs a shell script on the machine's own programs."""
    return {"name": "c", "image": "busybox:1", "command": ["sh", "-c", script], **more}


@dataclass(frozen=True)
class Pods:
    """The API of a cluster with a pod runner, in one namespace."""

    cluster: Running
    api: Api
    namespace: str

    def path(self, kind: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    def make(self, kind: str, name: str, **body: Any) -> Object:
        kinds = {"configmaps": "ConfigMap", "secrets": "Secret", "persistentvolumeclaims": "PersistentVolumeClaim"}
        return self.api.create(
            self.path(kind), {"apiVersion": "v1", "kind": kinds[kind], "metadata": {"name": name}, **body}
        )

    def run(self, *containers: Object, name: str = "p", metadata: Object | None = None, **spec: Any) -> None:
        """Create a pod on node amd-0 if `spec` names no other."""
        body = {"containers": list(containers), "nodeName": "amd-0", "terminationGracePeriodSeconds": 5, **spec}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **(metadata or {})}, "spec": body}
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.api.create(self.path("pods"), pod)
                return
            except ApiError as error:  # a controller makes the namespace's ServiceAccount a moment later
                assert "serviceaccount" in str(error) and time.monotonic() < deadline, error
                time.sleep(0.05)

    def get(self, name: str = "p") -> Object:
        return self.api.get(self.path("pods", name))

    def until(self, condition: Callable[[Object], object], name: str = "p") -> Object:
        """Wait until a pod fulfils the condition; return it."""
        deadline = time.monotonic() + PATIENCE
        while not condition(pod := self.get(name)):
            assert time.monotonic() < deadline, pod.get("status")
            time.sleep(0.05)
        return pod

    def log(self, name: str = "p", **query: str) -> str:
        return self.api.text(f"{self.path('pods', name)}/log", **query)


@contextmanager
def pods_of(cluster: Running) -> Iterator[Pods]:
    name = f"pods-{uuid4().hex[:8]}"
    with connect(cluster.host_kubeconfig) as api:
        api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        pods = Pods(cluster, api, name)
        try:
            yield pods
        finally:
            for one in api.get(pods.path("pods"))["items"]:
                api.delete(pods.path("pods", one["metadata"]["name"]), gracePeriodSeconds="0")


def container(pod: Object, name: str = "c") -> Object:
    status = pod.get("status", {})
    every = status.get("containerStatuses", []) + status.get("initContainerStatuses", [])
    return next((one for one in every if one["name"] == name), {"state": {}, "lastState": {}, "restartCount": 0})


def ended(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


@pytest.fixture
def pods(cluster: Running) -> Iterator[Pods]:
    provide_nodes(cluster)
    with pods_of(cluster) as pods:
        yield pods


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


@pytest.mark.thorough
def test_every_kind_of_volume_works_for_a_user_without_privileges() -> None:
    home = running.private_home("unprivileged")
    try:
        unprivileged = running.start_unprivileged(home)
        provide_nodes(unprivileged, count=1)
        with pods_of(unprivileged) as pods:
            everything(pods)
            check_everything(pods)
    finally:
        running.throw_away(home)


@pytest.mark.thorough
def test_a_missing_program_is_reported_with_its_command_and_runs_once_built() -> None:
    home = running.private_home("unbuilt")
    tools = {**running.tools(), "pd-sidecar-v0.4.0": home.root / "sidecar"}
    try:
        lifecycle.start(home, tools, Progress())
        provide_nodes(Running(home), count=1)
        with pods_of(Running(home)) as pods:
            pods.run({"name": "c", "image": "ghcr.io/llm-d/llm-d-routing-sidecar:v0.4.0"})
            pod = pods.until(lambda pod: container(pod)["state"].get("waiting", {}).get("reason") == "ErrImagePull")
            message = container(pod)["state"]["waiting"]["message"]
            assert "`.venv/bin/python -m sandbox.toolchain pd-sidecar-v0.4.0`" in message
            (home.root / "sidecar").symlink_to(running.tools()["pd-sidecar-v0.7.1"])
            pods.until(lambda pod: "running" in container(pod)["state"])
    finally:
        running.throw_away(home)


FOUND = """
id -u; id -g; id -G
grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status | tr '\\t' ' '
for file in /new /tmp/new /empty/new; do (echo x > $file) 2> /dev/null && echo writes $file; done
test -r /var/run/secrets/kubernetes.io/serviceaccount/token && echo reads its token
"""


@pytest.fixture
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


@pytest.mark.usefixtures("users")
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


@pytest.mark.usefixtures("users")
def test_a_container_without_settings_is_root_with_the_usual_capabilities(pods: Pods) -> None:
    usual = "00000000a80425fb"  # containerd's default set
    assert _found(pods, "usual", {}) == [
        *("0", "0", "0"),
        *(f"CapEff: {usual}", f"CapBnd: {usual}", "NoNewPrivs: 0"),
        *("writes /new", "writes /tmp/new", "writes /empty/new"),
        "reads its token",
    ]


@pytest.mark.usefixtures("users")
def test_a_container_that_must_not_be_root_is_not_started_as_root(pods: Pods) -> None:
    pods.run(shell("true", securityContext={"runAsNonRoot": True}))
    message = "container has runAsNonRoot and image will run as root"
    said = {"reason": "CreateContainerConfigError", "message": message}
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


@pytest.mark.usefixtures("users")
def test_a_new_claim_belongs_to_root_and_the_user_of_the_cuda_image_cannot_download_to_it(pods: Pods) -> None:
    pods.make("persistentvolumeclaims", "weights", spec=CLAIM)
    pods.run(VLLM, restartPolicy="Never", volumes=[VOLUME])
    assert container(pods.until(ended))["state"]["terminated"]["exitCode"] == 1
    assert "PermissionError at /weights/hub when downloading meta/llama" in pods.log()


@pytest.mark.usefixtures("users")
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


NEWER = ("epp-v0.10.0", "pd-sidecar-v0.10.0")
TOOLS = ("epp-v0.7.1", "epp-v0.4.0", "pd-sidecar-v0.7.1", "pd-sidecar-v0.4.0", "llm-d-inference-sim", "envoy")


@pytest.mark.parametrize(
    ("image", "tool", "vllm"),
    [
        ("ghcr.io/llm-d/llm-d-inference-scheduler:v0.7.1", "epp-v0.7.1", None),
        ("mirror.example:5000/a/b/llm-d-inference-scheduler:v0.4.0", "epp-v0.4.0", None),
        ("ghcr.io/llm-d/llm-d-router-endpoint-picker:v0.10.0", "epp-v0.10.0", None),
        ("ghcr.io/llm-d/llm-d-router-disagg-sidecar:v0.10.0", "pd-sidecar-v0.10.0", None),
        ("ghcr.io/llm-d/llm-d-routing-sidecar:v0.4.0", "pd-sidecar-v0.4.0", None),
        ("ghcr.io/llm-d/llm-d-routing-sidecar:v0.7.1@sha256:0123", "pd-sidecar-v0.7.1", None),
        ("envoyproxy/envoy:v1.35-latest", "envoy", None),
        ("sandbox/envoy", "envoy", None),
        ("ghcr.io/llm-d/llm-d-rocm:v0.6.0", "llm-d-inference-sim", "0.17.1"),
        ("ghcr.io/llm-d/llm-d-cuda:v0.4.0", "llm-d-inference-sim", "0.11.2"),
        ("ghcr.io/vcave/llm-d/llm-d-rocm:v0.4.5-debug", "llm-d-inference-sim", "0.17.1"),
        ("ghcr.io/llm-d/llm-d-xpu:v0.6.0", "llm-d-inference-sim", "0.17.1"),
        ("ghcr.io/llm-d/llm-d-aws:v0.6.0", "llm-d-inference-sim", "0.17.1"),
        ("vllm/vllm-openai:v0.11.0", "llm-d-inference-sim", "0.11.2"),
        ("vllm/vllm-openai", "llm-d-inference-sim", "0.17.1"),
        ("registry.k8s.io/pause:3.10", "", None),
    ],
)
def test_the_end_of_its_name_identifies_an_image(image: str, tool: str, vllm: str | None) -> None:
    found = program(image, (*TOOLS, *NEWER))
    assert (found.tool, found.vllm) == (tool, vllm)


def test_a_service_has_a_kubelets_variables() -> None:
    ports = [{"name": "grpc-ext-proc", "port": 9002}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    named = {"metadata": {"name": "gaie-pd-epp"}, "spec": {"clusterIP": "10.96.0.9", "ports": ports}}
    headless = {"metadata": {"name": "headless"}, "spec": {"clusterIP": "None", "ports": ports}}
    assert service_links([named, headless]) == {
        "GAIE_PD_EPP_SERVICE_HOST": "10.96.0.9",
        "GAIE_PD_EPP_SERVICE_PORT": "9002",
        "GAIE_PD_EPP_SERVICE_PORT_GRPC_EXT_PROC": "9002",
        "GAIE_PD_EPP_SERVICE_PORT_DNS": "53",
        "GAIE_PD_EPP_PORT": "tcp://10.96.0.9:9002",
        "GAIE_PD_EPP_PORT_9002_TCP": "tcp://10.96.0.9:9002",
        "GAIE_PD_EPP_PORT_9002_TCP_PROTO": "tcp",
        "GAIE_PD_EPP_PORT_9002_TCP_PORT": "9002",
        "GAIE_PD_EPP_PORT_9002_TCP_ADDR": "10.96.0.9",
        "GAIE_PD_EPP_PORT_53_UDP": "udp://10.96.0.9:53",
        "GAIE_PD_EPP_PORT_53_UDP_PROTO": "udp",
        "GAIE_PD_EPP_PORT_53_UDP_PORT": "53",
        "GAIE_PD_EPP_PORT_53_UDP_ADDR": "10.96.0.9",
    }
