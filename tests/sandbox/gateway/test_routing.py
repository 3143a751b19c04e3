"""Which route serves what: attachment, precedence, host names, and what every unresolvable reference is called."""

import pytest

from sandbox.gateway.gateways import resolve
from sandbox.gateway.model import Gateway, Model
from sandbox.gateway.store import World
from tests.sandbox.gateway.objects import PICKER, POOL, changed, slice_of, world

DOOR = ("models", "door")
CHAT = ("models", "chat")


def route(name: str, spec: str, namespace: str = "models", created: str = "2026-01-01T00:00:00Z") -> str:
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}, namespace: {namespace}, creationTimestamp: "{created}"}}
spec:
  parentRefs: [{{name: door, namespace: models}}]
  {spec}
"""


SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: pages, namespace: other}
spec: {ports: [{name: http, port: 8080}]}
"""
GRANT = """
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: from-models, namespace: other}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: models}]
  to: [{group: "", kind: Service}]
"""


def verdict(content: World, kind: str, name: tuple[str, str] = CHAT) -> tuple[bool, str]:
    (parent,) = resolve(content).routes[name]
    return parent.verdicts[kind].good, parent.verdicts[kind].reason


def door(model: Model) -> Gateway:
    return model.gateways[DOOR]


def order(content: World, host: str = "*") -> list[str]:
    return [entry.name for entry in door(resolve(content)).hosts[80][host]]


def test_the_stack_is_accepted_and_leads_through_the_picker_to_the_pool() -> None:
    model = resolve(world())
    assert door(model).accepted.good
    assert door(model).listeners[0].attached == 1
    assert verdict(world(), "Accepted") == (True, "Accepted")
    assert verdict(world(), "ResolvedRefs") == (True, "ResolvedRefs")
    (entry,) = door(model).hosts[80]["*"]
    (backend,) = entry.backends
    assert backend.picker
    assert (backend.cluster, backend.picker.cluster, backend.picker.fail_open) == (POOL, PICKER, True)
    (parent,) = model.pools[("models", "pool")]
    assert {kind: one.good for kind, one in parent.verdicts.items()} == {"Accepted": True, "ResolvedRefs": True}


def test_endpoints_are_those_that_are_ready_of_the_port_that_is_meant() -> None:
    pool = POOL.split("||")[1].partition(".")[0]
    content = world(
        slice_of("picker", ["10.0.0.9"], 9002, "grpc-ext-proc"),
        slice_of(pool, ["10.0.0.2", "10.0.0.1"], 8000, "port-0"),
    )
    clusters = door(resolve(content)).clusters
    assert clusters[POOL].endpoints == (("10.0.0.1", 8000), ("10.0.0.2", 8000))
    assert clusters[PICKER].endpoints == (("10.0.0.9", 9002),)
    assert clusters[PICKER].http2
    starting = world(slice_of(pool, ["10.0.0.1"], 8000, "port-0", ready=False))
    assert door(resolve(starting)).clusters[POOL].endpoints == ()
    other_port = world(slice_of("picker", ["10.0.0.9"], 9090, "http-metrics"))
    assert door(resolve(other_port)).clusters[PICKER].endpoints == ()


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("spec.rules.0.backendRefs.0.name", "pol", "BackendNotFound"),
        ("spec.rules.0.backendRefs.0.group", "inference.networking.x-k8s.io", "InvalidKind"),
        ("spec.rules.0.backendRefs.0", {"name": "picker", "port": 9003}, "BackendNotFound"),
        ("spec.rules.0.backendRefs.0", {"name": "picker"}, "BackendNotFound"),
        ("spec.rules.0.backendRefs.0", {"name": "pages", "namespace": "other", "port": 8080}, "RefNotPermitted"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named_and_answers_500(path: str, value: object, reason: str) -> None:
    content = changed(world(SERVICE), "HTTPRoute", "chat", path, value)
    assert verdict(content, "ResolvedRefs") == (False, reason)
    assert verdict(content, "Accepted") == (True, "Accepted")
    (entry,) = door(resolve(content)).hosts[80]["*"]
    assert [backend.cluster for backend in entry.backends] == [None]


def test_another_namespaces_service_needs_its_permission() -> None:
    reference = {"name": "pages", "namespace": "other", "port": 8080}
    content = changed(world(SERVICE, GRANT), "HTTPRoute", "chat", "spec.rules.0.backendRefs.0", reference)
    assert verdict(content, "ResolvedRefs") == (True, "ResolvedRefs")
    named = GRANT.replace("kind: Service}", "kind: Service, name: others}")
    content = changed(world(SERVICE, named), "HTTPRoute", "chat", "spec.rules.0.backendRefs.0", reference)
    assert verdict(content, "ResolvedRefs") == (False, "RefNotPermitted")


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("spec.parentRefs.0.sectionName", "https", "NoMatchingParent"),
        ("spec.parentRefs.0.port", 8443, "NoMatchingParent"),
        ("spec.rules.0.filters", [{"type": "RequestRedirect"}], "UnsupportedValue"),
        ("spec.rules.0.filters", [{"type": "URLRewrite", "urlRewrite": {"hostname": "a.com"}}], "UnsupportedValue"),
        (
            "spec.rules.0.filters",
            [
                {
                    "type": "URLRewrite",
                    "urlRewrite": {
                        "hostname": "a.com",
                        "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"},
                    },
                }
            ],
            "UnsupportedValue",
        ),
        (
            "spec.rules.0.filters",
            [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/"}}}],
            "UnsupportedValue",
        ),
        ("spec.rules.0.backendRefs.0.filters", [{"type": "URLRewrite"}], "UnsupportedValue"),
    ],
)
def test_a_route_that_cannot_attach_serves_nothing(path: str, value: object, reason: str) -> None:
    content = changed(world(), "HTTPRoute", "chat", path, value)
    assert verdict(content, "Accepted") == (False, reason)
    model = resolve(content)
    assert door(model).hosts[80] == {}
    assert door(model).listeners[0].attached == 0
    assert model.pools[("models", "pool")][0].verdicts["Accepted"].reason == "HTTPRouteNotAccepted"


def test_a_prefix_that_is_to_be_replaced_is_part_of_the_entry() -> None:
    path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    content = changed(
        world(), "HTTPRoute", "chat", "spec.rules.0.filters", [{"type": "URLRewrite", "urlRewrite": {"path": path}}]
    )
    assert verdict(content, "Accepted") == (True, "Accepted")
    assert [entry.prefix for entry in door(resolve(content)).hosts[80]["*"]] == ["/"]
    assert [entry.prefix for entry in door(resolve(world())).hosts[80]["*"]] == [None]


@pytest.mark.parametrize(
    ("namespaces", "attached"),
    [
        ({"from": "Same"}, False),
        ({"from": "All"}, True),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "search"}}}, True),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "inference"}}}, False),
        (
            {
                "from": "Selector",
                "selector": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["search"]}]},
            },
            True,
        ),
        ({"from": "None"}, False),
    ],
)
def test_listeners_choose_the_namespaces_of_their_routes(namespaces: object, attached: bool) -> None:
    stranger = route("pages", "rules: [{backendRefs: [{name: pages, port: 8080}]}]", "other")
    path = "spec.listeners.0.allowedRoutes.namespaces"
    content = changed(world(SERVICE, stranger), "Gateway", "door", path, namespaces)
    reason = "Accepted" if attached else "NotAllowedByListeners"
    assert verdict(content, "Accepted", ("other", "pages")) == (attached, reason)


@pytest.mark.parametrize(
    ("listener", "hosts", "served"),
    [
        ("chat.example.com", None, ["chat.example.com"]),
        (None, ["chat.example.com"], ["chat.example.com"]),
        ("*.example.com", ["chat.example.com", "chat.example.org"], ["chat.example.com"]),
        ("chat.example.com", ["*.example.com"], ["chat.example.com"]),
        ("chat.example.com", ["other.example.com"], []),
    ],
)
def test_host_names_are_those_of_listener_and_route(
    listener: str | None, hosts: list[str] | None, served: list[str]
) -> None:
    content = world()
    if listener:
        content = changed(content, "Gateway", "door", "spec.listeners.0.hostname", listener)
    if hosts:
        content = changed(content, "HTTPRoute", "chat", "spec.hostnames", hosts)
    assert sorted(door(resolve(content)).hosts[80]) == served
    expected = (True, "Accepted") if served else (False, "NoMatchingListenerHostname")
    assert verdict(content, "Accepted") == expected


def test_the_most_specific_match_is_tried_first_then_the_older_route() -> None:
    pool = "backendRefs: [{group: inference.networking.k8s.io, kind: InferencePool, name: pool}]"
    matches = {
        "header": "{path: {value: /v1}, headers: [{name: x-model, value: a}]}",
        "post": "{path: {value: /v1}, method: POST}",
        "longer": "{path: {value: /v1/chat}}",
        "exact": "{path: {type: Exact, value: /v1}}",
        "v1": "{path: {value: /v1}}",
    }
    content = world(*(route(name, f"rules: [{{matches: [{one}], {pool}}}]") for name, one in matches.items()))
    names = [name.split(".")[1] for name in order(content)]
    assert names == ["exact", "longer", "post", "header", "v1", "chat"]
    older = route("older", f"rules: [{{{pool}}}]", created="2025-01-01T00:00:00Z")
    assert [name.split(".")[1] for name in order(world(older))] == ["older", "chat"]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("spec.endpointPickerRef.name", "pickr", "there is no Service models/pickr"),
        ("spec.endpointPickerRef.port.number", 9003, "has no port 9003"),
        ("spec.endpointPickerRef.kind", "Pod", "only be a Service, not Pod"),
    ],
)
def test_a_pool_whose_picker_is_missing_says_so_and_its_failure_mode_decides(
    path: str, value: object, words: str
) -> None:
    model = resolve(changed(world(), "InferencePool", "pool", path, value))
    (parent,) = model.pools[("models", "pool")]
    assert not parent.verdicts["ResolvedRefs"].good
    assert parent.verdicts["ResolvedRefs"].reason == "InvalidExtensionRef"
    assert words in parent.verdicts["ResolvedRefs"].message
    (backend,) = door(model).hosts[80]["*"][0].backends
    assert backend.picker
    if "name" in path:
        assert door(model).clusters[backend.picker.cluster].endpoints == ()
