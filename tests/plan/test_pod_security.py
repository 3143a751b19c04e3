"""The table of the Pod Security Standards, and its result for every pod of a stack."""

from typing import Any

import pytest

from components.config.vocabulary import PodSecurity
from components.plan.pod_rights import of_worker
from components.plan.pod_security import admitted_by, violations
from components.plan.resolve import resolve
from tests.program.wire import AMD, made
from tests.stack_file import settings

CONFINED: dict[str, Any] = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def level(pod: dict[str, Any], **container: Any) -> str:
    return admitted_by(violations({"containers": [{"name": "c", **container}], **pod})).value


def confined(**changes: Any) -> dict[str, Any]:
    return {"securityContext": {key: value for key, value in {**CONFINED, **changes}.items() if value is not None}}


PODS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {}, "baseline"),
    ({}, confined(), "restricted"),
    ({"hostPID": True}, confined(), "privileged"),
    ({"hostIPC": True}, confined(), "privileged"),
    ({"hostNetwork": True}, confined(), "privileged"),
    ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, confined(), "privileged"),
    ({"volumes": [{"name": "v", "nfs": {"server": "s", "path": "/"}}]}, confined(), "baseline"),
    ({"volumes": [{"name": "v", "emptyDir": {}}]}, confined(), "restricted"),
    ({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}, confined(), "privileged"),
    (
        {"securityContext": {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]}},
        confined(),
        "restricted",
    ),
    ({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, confined(), "privileged"),
    ({"securityContext": {"runAsUser": 0}}, confined(), "baseline"),
    ({"initContainers": [{"name": "i"}]}, confined(), "baseline"),
    ({"securityContext": {"runAsNonRoot": True}}, confined(runAsNonRoot=None), "restricted"),
    ({}, confined(runAsNonRoot=False), "baseline"),
    ({}, confined(runAsNonRoot=None), "baseline"),
    (
        {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"}}},
        confined(seccompProfile=None),
        "restricted",
    ),
    ({}, confined(seccompProfile=None), "baseline"),
    ({}, confined(seccompProfile={"type": "Unconfined"}), "privileged"),
    ({}, confined(appArmorProfile={"type": "Unconfined"}), "privileged"),
    ({}, confined(allowPrivilegeEscalation=None), "baseline"),
    ({}, confined(capabilities={"drop": ["NET_RAW"]}), "baseline"),
    ({}, confined(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}), "restricted"),
    ({}, confined(capabilities={"drop": ["ALL"], "add": ["CHOWN"]}), "baseline"),
    ({}, confined(capabilities={"drop": ["ALL"], "add": ["IPC_LOCK"]}), "privileged"),
    ({}, confined(privileged=True, allowPrivilegeEscalation=True), "privileged"),
    ({}, confined(procMount="Unmasked"), "privileged"),
    ({}, confined(runAsUser=0), "baseline"),
    ({}, confined(seLinuxOptions={"type": "spc_t"}), "privileged"),
    ({}, confined(seLinuxOptions={"type": "container_t", "user": "u"}), "privileged"),
    ({}, confined(seLinuxOptions={"level": "s0"}), "restricted"),
    ({}, confined(windowsOptions={"hostProcess": True}), "privileged"),
    ({}, {**confined(), "ports": [{"containerPort": 80, "hostPort": 80}]}, "privileged"),
    ({}, {**confined(), "ports": [{"containerPort": 80}]}, "restricted"),
    ({}, {**confined(), "livenessProbe": {"httpGet": {"host": "10.0.0.1", "port": 1}}}, "privileged"),
    ({}, {**confined(), "lifecycle": {"preStop": {"tcpSocket": {"host": "x", "port": 1}}}}, "privileged"),
]
"""Fields of a pod, fields of its container, and the strictest level that admits it."""


@pytest.mark.parametrize(("pod", "container", "admitted"), PODS, ids=str)
def test_the_strictest_level_that_admits_a_pod(pod: dict[str, Any], container: dict[str, Any], admitted: str) -> None:
    assert level(pod, **container) == admitted


# The image of nvidia with a user who is not root.
NVIDIA = {"accelerator": "nvidia", "release": "0.6"}
STACKS: list[dict[str, Any]] = [
    {},
    {"hostNetwork": True},
    {"rdma": {"resource": "rdma/ib"}},
    {**NVIDIA, "security": {"podSecurity": "restricted"}},
    {**NVIDIA, "infrastructure": "rdma-sriov"},
    {"prefill": {"hostPaths": [{"hostPath": "/a", "mountPath": "/a"}]}},
    {**NVIDIA, "gateway": {"provider": "standalone"}, "security": {"podSecurity": "restricted"}},
]


@pytest.mark.parametrize("changes", STACKS, ids=str)
def test_the_deployed_pods_have_what_the_plan_says_and_all_others_pass_restricted(changes: dict[str, Any]) -> None:
    serving = {key: value for key, value in AMD.items() if key not in changes} | changes
    plan = resolve(settings(**serving), None)
    declared = {key: each for key, each in made(serving).objects.items() if key.startswith("Deployment/")}
    workers = {f"Deployment/{tier.worker.name}": tier.worker for tier in (plan.prefill, plan.decode)}
    assert workers.keys() < declared.keys()
    for key, each in declared.items():
        found = violations(each["spec"]["template"]["spec"])
        if key in workers:
            said = of_worker(workers[key])
            assert sorted(one for one in found if "[routing-proxy]" not in one.field) == sorted(said)
            assert {one.what for one in found} == {one.what for one in said}
        else:
            assert admitted_by(found) is PodSecurity.RESTRICTED
