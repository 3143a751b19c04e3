"""Findings about the Gateway and its proxies."""

from typing import Any

import pytest

from tests.verify.fake import APPS, CORE, GATEWAYS, FakeCluster, named, outputs, pod
from verify.finding import Finding, Outcome
from verify.routing import judge_gateway, judge_picker

ROUTE = named("route", spec={"parentRefs": [{"name": "gate"}], "rules": [{"backendRefs": []}]})
TRUE: list[dict[str, Any]] = [
    {"type": kind, "status": "True", "reason": kind, "message": ""} for kind in ("Accepted", "Programmed")
]
RUNS: dict[str, Any] = {"running": {}}
CRASHES = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
PULLS = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
FRONT = named("gate-istio", spec={"selector": {"gateway.networking.k8s.io/gateway-name": "gate"}})


def gateway(conditions: list[dict[str, Any]] = TRUE, listeners: list[Any] | None = None) -> dict[str, Any]:
    spec = {
        "gatewayClassName": "istio",
        "listeners": [
            {"name": "default", "port": 80, "protocol": "HTTP"},
            {"name": "https", "port": 443, "protocol": "HTTPS"},
        ],
    }
    status = {
        "conditions": conditions,
        "addresses": [{"value": "gate-istio.serving.svc.cluster.local"}],
        "listeners": listeners or [],
    }
    return {f"{GATEWAYS}/gateways/gate": named("gate", spec=spec, status=status)}


def judged(objects: dict[str, Any], logs: dict[str, str] | None = None, forbids: tuple[str, ...] = ()) -> Finding:
    return judge_gateway(FakeCluster(objects, logs, forbids), outputs(), ROUTE)[0]


def test_a_programmed_gateway_without_a_ready_proxy_fails() -> None:
    objects = {**gateway(), f"{CORE}/services": [FRONT], f"{CORE}/pods": [pod("a", False, RUNS)]}
    log = "info starting\nwarn Envoy proxy is NOT ready: config not received\ninfo waiting\n"

    found = judged(objects, {"a/proxy": log})

    assert found.outcome is Outcome.FAILED
    assert found.evidence == (
        "gate Programmed at gate-istio.serving.svc.cluster.local:80, but no proxy is Ready: a: container proxy runs, "
        "but its readiness probe doesn't succeed yet; its log: warn Envoy proxy is NOT ready: config not received"
    )


@pytest.mark.parametrize(
    ("pods", "outcome", "says"),
    [
        ([pod("a", True, RUNS)], Outcome.OK, "1 of 1 proxies Ready"),
        ([pod("a", True, RUNS), pod("b", False, PULLS)], Outcome.WARNING, "ImagePullBackOff no such image"),
        ([pod("a", False, CRASHES, restarts=2)], Outcome.FAILED, "back-off 10s; its log: error: no licence"),
        ([], Outcome.FAILED, "Deployment gate-istio: exceeded quota"),
    ],
)
def test_the_state_of_the_proxies_decides(pods: list[Any], outcome: Outcome, says: str) -> None:
    quota = [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]
    deployment = named("gate-istio", spec={"replicas": 1}, status={"conditions": quota})
    objects = {**gateway(), f"{CORE}/services": [FRONT], f"{CORE}/pods": pods, f"{APPS}/deployments": [deployment]}

    found = judged(objects, {"a/proxy": "error: no licence\n"})

    assert (found.outcome, says in found.evidence) == (outcome, True), found


def test_a_condition_of_an_older_generation_is_ignored() -> None:
    older: list[dict[str, Any]] = [{**one, "observedGeneration": 1} for one in TRUE]
    objects = gateway(older)
    objects[f"{GATEWAYS}/gateways/gate"]["metadata"]["generation"] = 2

    found = judged(objects)

    assert found.outcome is Outcome.FAILED
    assert "no controller has set Accepted since the object was changed (generation 2)" in found.evidence


def test_a_load_balancer_outside_the_cluster_needs_no_proxy_pods() -> None:
    assert judged(gateway()).outcome is Outcome.OK


def test_proxies_without_the_right_to_read_them_are_not_visible() -> None:
    found = judged({**gateway(), f"{CORE}/services": [FRONT]}, forbids=(f"{CORE}/pods",))

    assert (found.outcome, found.remedy) == (Outcome.UNSEEN, f"RBAC: {CORE}/pods")
    assert "gate Programmed" in found.evidence


def test_a_listener_without_certificate_is_reported_with_the_reference() -> None:
    invalid = [{**TRUE[0], "status": "False", "reason": "ListenersNotValid", "message": "no valid listener"}, TRUE[1]]
    certificate = [
        {"type": "Programmed", "status": "False", "reason": "Invalid", "message": "Bad TLS configuration"},
        {"type": "ResolvedRefs", "status": "False", "reason": "InvalidCertificateRef", "message": "no Secret tls"},
    ]
    listeners = [{"name": "https", "conditions": certificate}]

    alone = judged(gateway(invalid, listeners))
    assert alone.outcome is Outcome.FAILED
    assert "gate: not Accepted: ListenersNotValid no valid listener; listener https: Invalid" in alone.evidence
    assert "InvalidCertificateRef no Secret tls" in alone.evidence
    beside_a_good_one = judged(gateway(TRUE, listeners))
    assert beside_a_good_one.outcome is Outcome.WARNING
    assert "no Secret tls" in beside_a_good_one.evidence


def epp(asked: int, target: int) -> Finding:
    """A pool that asks for a port, and a Service that leads 9002 to a port of the pods."""
    ready = pod("epp", True, RUNS)
    names = {"grpc": 9002, "grpc-health": 9003}
    ready["spec"]["containers"][0]["ports"] = [{"name": name, "containerPort": port} for name, port in names.items()]
    service = named("epp", spec={"selector": {"app": "epp"}, "ports": [{"port": 9002, "targetPort": target}]})
    pool = named("pool", spec={"endpointPickerRef": {"name": "epp", "port": {"number": asked}}})
    return judge_picker(FakeCluster({f"{CORE}/services/epp": service, f"{CORE}/pods": [ready]}), outputs(), pool)[0]


def test_a_wrong_port_of_the_epp_is_reported() -> None:
    assert epp(9002, 9002).outcome is Outcome.OK
    assert "the pool asks port 9003 of Service epp, which has 9002" in epp(9003, 9002).evidence
    assert "Service epp leads port 9002 to 9003 of the pods; they answer on 9002" in epp(9002, 9003).evidence
