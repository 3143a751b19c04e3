"""Whether the gateway asks the EPP: evidence from the answers and from the objects."""

from typing import Any

import pytest

from tests.verify.fake import CORE, GATEWAYS, NAMESPACE, RULES, FakeCluster, named, outputs, pod
from verify.asking import RequestPath, explain_500, judge_asked, why_not_tls
from verify.finding import Outcome, failed
from verify.legs import Trial
from verify.proxies import Proxies
from verify.request import Answer
from verify.routing import Endpoint, judge_route

EPP = "epp.serving.svc.cluster.local"
TLS = {"tls": {"mode": "SIMPLE", "insecureSkipVerify": True}}
PLAIN_DETAIL = (
    "ext_proc_error_gRPC_error_14{upstream_connect_error_or_disconnect/reset_before_headers."
    "_reset_reason:_connection_termination}"
)


POOL = named(
    "pool", spec={"endpointPickerRef": {"name": "epp", "port": {"number": 9002}}, "targetPorts": [{"number": 8000}]}
)


def trial(marked: bool) -> Trial:
    return Trial(Answer(200, "tokens", 0.01, 0.02, 9, 9, marked), {})


def path(cluster: FakeCluster, route: dict[str, Any] | None = None, provider: str = "istio") -> RequestPath:
    proxies = Proxies(NAMESPACE, "gate-istio", [pod("proxy-1", True, {"running": {}})], "", None)
    return RequestPath(
        cluster, outputs(provider), Endpoint(proxies, "gate", "", 80), POOL, named("route", spec=route or {"rules": []})
    )


def rule(host: str, policy: dict[str, Any], namespace: str = NAMESPACE, name: str = "epp") -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace}
    return {"metadata": meta, "spec": {"host": host, "trafficPolicy": policy}}


def test_the_epps_header_or_its_refusal_proves_that_the_gateway_asks_it() -> None:
    def never() -> bool:
        raise AssertionError("asked without need")

    cluster = FakeCluster({})
    assert judge_asked(path(cluster), [trial(True), trial(True)], never) is None
    assert judge_asked(path(cluster), [trial(False), trial(False)], lambda: True) is None
    some = judge_asked(path(cluster), [trial(True), trial(False)], never)
    assert some
    assert some.outcome is Outcome.WARNING


def test_answers_without_the_epp_report_the_cors_filter_and_rival_routes() -> None:
    rival = named("other", spec={"parentRefs": [{"name": "gate"}], "rules": [{"backendRefs": [{"name": "web"}]}]})
    cluster = FakeCluster({f"{GATEWAYS}/httproutes": [rival]})

    found = judge_asked(path(cluster, {"rules": [{"filters": [{"type": "CORS"}]}]}), [trial(False)], lambda: False)

    assert found
    assert (found.step, found.outcome) == ("route", Outcome.FAILED)
    assert found.evidence == (
        "1 of 1 requests answered without asking the EPP; its route has a CORS filter, for which istio drops the EPP "
        "from the route; HTTPRoute other of the same Gateway leads to Service web"
    )


def test_answers_without_the_epp_report_the_missing_tls_rule() -> None:
    cluster = FakeCluster(
        {RULES.format(NAMESPACE): [rule("pool.serving.svc.cluster.local", TLS)], f"{GATEWAYS}/httproutes": []}
    )

    found = judge_asked(path(cluster), [trial(False)], lambda: False)

    assert found
    assert found.evidence.startswith("1 of 1 requests answered without asking the EPP; plaintext to the EPP: no")
    assert "`pulumi refresh`" in found.remedy


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({}, "no DestinationRule in namespace edge or serving is for epp.serving.svc.cluster.local"),
        ({NAMESPACE: [rule("epp", TLS)]}, ""),
        ({"edge": [rule("*.serving.svc.cluster.local", TLS, "edge")]}, ""),
        ({"istio-system": [rule("*.local", TLS, "istio-system")]}, ""),
        ({NAMESPACE: [rule("pool.serving.svc.cluster.local", TLS)]}, "epp is for pool.serving.svc.cluster.local"),
        ({NAMESPACE: [rule(EPP, {"tls": {"mode": "ISTIO_MUTUAL"}})]}, "TLS mode ISTIO_MUTUAL"),
        ({NAMESPACE: [rule(EPP, {"tls": {"mode": "SIMPLE"}})]}, "lacks insecureSkipVerify"),
        ({NAMESPACE: [rule(EPP, {})]}, "TLS mode DISABLE"),
        (  # the most specific host wins, in the first namespace that has any
            {NAMESPACE: [rule("*.local", TLS), rule(EPP, {}, name="exact")], "istio-system": [rule(EPP, TLS)]},
            "DestinationRule exact in namespace serving has TLS mode DISABLE",
        ),
        (
            {NAMESPACE: [rule(EPP, {**TLS, "portLevelSettings": [{"port": {"number": 9002}, "tls": {}}]})]},
            "TLS mode DISABLE",
        ),
        ({NAMESPACE: [rule(EPP, {**TLS, "portLevelSettings": [{"port": {"number": 9090}, "tls": {}}]})]}, ""),
    ],
)
def test_the_most_specific_destination_rule_decides(rules: dict[str, Any], says: str) -> None:
    cluster = FakeCluster({RULES.format(namespace): listed for namespace, listed in rules.items()})

    found = why_not_tls(cluster, "edge", NAMESPACE, "epp", 9002)

    assert says in found
    assert bool(says) == bool(found)


def test_an_empty_500_is_explained_by_the_proxys_log_and_the_missing_rule() -> None:
    log = f'POST /v1/completions 200 - via_upstream\n"POST /v1/completions HTTP/1.1" 500 - {PLAIN_DETAIL} - "-"\n'
    sent = failed("request", "HTTP 500", "?", "?")

    found = explain_500(path(FakeCluster({}, {"proxy-1/proxy": log})), sent)

    assert PLAIN_DETAIL in found.evidence
    assert f"plaintext to the EPP: no DestinationRule in namespace serving is for {EPP}" in found.evidence
    elsewhere = explain_500(path(FakeCluster({}, {"proxy-1/proxy": log}), provider="kgateway"), sent)
    assert "DestinationRule" not in elsewhere.evidence
    forbidden = FakeCluster({}, {"proxy-1/proxy": log}, forbids=(RULES.format(NAMESPACE),))
    hidden = explain_500(path(forbidden), sent)
    assert (hidden.meaning, hidden.remedy) == ("?", f"RBAC: {RULES.format(NAMESPACE)}")


def accepted(rules: list[dict[str, Any]]) -> dict[str, Any]:
    conditions = [{"type": kind, "status": "True"} for kind in ("Accepted", "ResolvedRefs")]
    spec = {"parentRefs": [{"name": "gate"}], "rules": rules}
    return named("route", spec=spec, status={"parents": [{"conditions": conditions}]})


def test_mistakes_in_backends_of_an_accepted_route_are_reported() -> None:
    pool = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "pool"}
    web = named("web", spec={"ports": [{"port": 80}]})
    pools = "/apis/inference.networking.k8s.io/v1/namespaces/serving/inferencepools/pool"

    def judged(*rules: list[dict[str, Any]]) -> tuple[Outcome, str]:
        route = accepted([{"backendRefs": backends} for backends in rules])
        cluster = FakeCluster({f"{GATEWAYS}/httproutes": [route], f"{CORE}/services/web": web, pools: POOL})
        found = judge_route(cluster, outputs())[0]
        return found.outcome, found.evidence

    assert judged([pool])[0] is Outcome.OK
    assert judged([pool], [{"name": "web", "port": 80}])[0] is Outcome.OK
    outcome, evidence = judged([pool], [{"name": "web", "port": 81}])
    assert (outcome, "port 81 of Service web, which has 80" in evidence) == (Outcome.FAILED, True)
    outcome, evidence = judged([{**pool, "port": 8001}])
    assert (outcome, "port 8001 of InferencePool pool, which has 8000" in evidence) == (Outcome.WARNING, True)
    assert judged([pool, {**pool, "name": "other", "weight": 0}])[0] is Outcome.OK
    assert judged([pool, {**pool, "name": "other"}])[0] is Outcome.WARNING


def test_the_route_without_the_trials_header_is_judged() -> None:
    pool = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "pool"}
    trial = accepted([{"matches": [{"headers": [{"name": "x", "value": "b"}]}], "backendRefs": [pool]}])
    main = accepted([{"matches": [{"path": {"value": "/"}}], "backendRefs": [pool]}])
    main["metadata"]["name"] = "main"
    assert judge_route(FakeCluster({f"{GATEWAYS}/httproutes": [trial, main]}), outputs())[1] == main
