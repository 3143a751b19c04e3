"""From the API server's objects to the model: which listeners are sound, which routes attach where."""

from collections.abc import Mapping
from typing import Any

from sandbox.gateway.certificates import certificates
from sandbox.gateway.classes import CLASSES, GatewayClass
from sandbox.gateway.model import Gateway, Listener, Model, Verdict
from sandbox.gateway.overlay import Overlay
from sandbox.gateway.routes import attach
from sandbox.gateway.store import Object, World

GROUP = "gateway.networking.k8s.io"
HTTP_ROUTE = {"group": GROUP, "kind": "HTTPRoute"}
_RESERVED = {15000: "Envoy's own", 15021: "the readiness probe's"}


def resolve(world: World) -> Model:
    """Work out everything that follows from the objects; the same objects give the same model."""
    model = Model()
    for key, one in sorted(world["Gateway"].items()):
        gateway_class = _class_of(world, one)
        if gateway_class and "deletionTimestamp" not in one["metadata"]:
            model.gateways[key] = _gateway(world, one, gateway_class)
    attach(world, model)
    return model


def _class_of(world: World, gateway: Object) -> GatewayClass | None:
    name = gateway["spec"]["gatewayClassName"]
    installed = world["GatewayClass"].get(("", name))
    ours = CLASSES.get(name)
    return ours if ours and installed and installed["spec"]["controllerName"] == ours.controller else None


def _gateway(world: World, one: Object, gateway_class: GatewayClass) -> Gateway:
    listeners = [_listener(world, one, spec) for spec in one["spec"]["listeners"]]
    return Gateway(
        spec=one,
        gateway_class=gateway_class,
        listeners=listeners,
        accepted=_accepted(world, one, gateway_class, listeners),
        hosts={listener.spec["port"]: {} for listener in listeners if listener.usable},
        text_log=gateway_class.istio and _logs(world, one),
    )


def _accepted(world: World, one: Object, gateway_class: GatewayClass, listeners: list[Listener]) -> Verdict:
    if one["spec"].get("addresses"):
        return Verdict(False, "UnsupportedAddress", "the sandbox gives addresses itself; leave spec.addresses out")
    wrong = Overlay.of(world, one, gateway_class).wrong
    if wrong:
        return Verdict(False, "InvalidParameters", wrong)
    bad = [listener.spec["name"] for listener in listeners if not listener.usable]
    if bad:
        left = len(bad) < len(listeners)
        return Verdict(left, "ListenersNotValid", f"see the conditions of listener {', '.join(bad)}")
    return Verdict(True, "Accepted", "the Gateway is valid")


def _listener(world: World, gateway: Object, spec: Object) -> Listener:
    siblings: list[Object] = gateway["spec"]["listeners"]
    asked = spec.get("allowedRoutes", {}).get("kinds")
    kinds = [HTTP_ROUTE] if asked is None else [kind for kind in asked if {**HTTP_ROUTE, **kind} == HTTP_ROUTE]
    unknown = [kind["kind"] for kind in asked or () if {**HTTP_ROUTE, **kind} != HTTP_ROUTE]
    rivals = sorted(
        one["name"] for one in siblings if one["port"] == spec["port"] and one["protocol"] != spec["protocol"]
    )
    conflict = Verdict(True, "NoConflicts", "")
    accepted = Verdict(True, "Accepted", "the listener is valid")
    if rivals:
        text = f"port {spec['port']} speaks another protocol in listener {', '.join(rivals)}"
        conflict, accepted = Verdict(False, "ProtocolConflict", text), Verdict(False, "ProtocolConflict", text)
    elif spec["protocol"] not in ("HTTP", "HTTPS"):
        text = f"the sandbox's gateway speaks HTTP and HTTPS, not {spec['protocol']}"
        accepted = Verdict(False, "UnsupportedProtocol", text)
    elif (spec.get("tls") or {}).get("mode", "Terminate") != "Terminate":
        accepted = Verdict(False, "UnsupportedProtocol", "the sandbox's gateway ends TLS itself: mode Terminate only")
    elif spec["port"] in _RESERVED:
        accepted = Verdict(False, "PortUnavailable", f"port {spec['port']} is {_RESERVED[spec['port']]}")
    resolved = Verdict(True, "ResolvedRefs", "all references were resolved")
    if unknown:
        resolved = Verdict(False, "InvalidRouteKinds", f"only HTTPRoute can attach, not {', '.join(unknown)}")
    held, problem = certificates(world, gateway, spec) if spec["protocol"] == "HTTPS" else ((), None)
    verdicts = {"Accepted": accepted, "Conflicted": conflict, "ResolvedRefs": problem or resolved}
    return Listener(spec, verdicts, kinds, held)


def _logs(world: World, gateway: Object) -> bool:
    """Whether a Telemetry for this Gateway, or for its whole namespace, sends access logs to Envoy's output."""
    namespace, name = gateway["metadata"]["namespace"], gateway["metadata"]["name"]
    for (where, _), one in world["Telemetry"].items():
        spec: Mapping[str, Any] = one.get("spec") or {}
        targets = spec.get("targetRefs") or ([spec["targetRef"]] if "targetRef" in spec else None)
        meant = targets is None or any((t.get("kind"), t.get("name")) == ("Gateway", name) for t in targets)
        if where == namespace and meant and "selector" not in spec:
            for logging in spec.get("accessLogging") or ():
                providers = [provider["name"] for provider in logging.get("providers") or ()]
                if "envoy" in providers and not logging.get("disabled"):
                    return True
    return False
