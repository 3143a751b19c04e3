"""Deliberate defects of a stack's objects, and the step of `verify` that must find each."""

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import yaml

Objects = dict[str, dict[str, Any]]
"""`Kind/name` → object, as the program declares them."""
GATEWAY, ROUTE, RULE = (
    "Gateway/infra-pd-inference-gateway",
    "HTTPRoute/llm-d-pd-disaggregation",
    "DestinationRule/gaie-pd-epp",
)
POOL, PICKER, PREFILL, DECODE = (
    "InferencePool/gaie-pd",
    "Deployment/gaie-pd-epp",
    "Deployment/ms-pd-llm-d-modelservice-prefill",
    "Deployment/ms-pd-llm-d-modelservice-decode",
)
PARAMETERS = "ConfigMap/infra-pd-inference-gateway"
ROLE, BINDING, SERVICE, CONFIG = (
    "Role/gaie-pd-epp",
    "RoleBinding/gaie-pd-epp",
    "Service/gaie-pd-epp",
    "ConfigMap/gaie-pd-epp",
)


@dataclass(frozen=True)
class Defect:
    """A change of the objects, and the step of `verify` that must fail first."""

    name: str
    step: str
    change: Callable[[Objects], object]
    says: str = ""
    """Words of the controller, the proxy or the worker that the step must quote."""
    selective: bool = False
    """Whether the stack has selective P/D."""

    @property
    def steps(self) -> list[str]:
        """Steps of which one finds the defect; the pod that a request reaches can decide which one."""
        return self.step.split(" or ")

    @property
    def never_ready(self) -> bool:
        return self.step in ("prefill", "decode", "picker", "gateway")


def _at(key: str, path: str, value: object) -> Callable[[Objects], object]:
    """Set one field, `path` in dots; numbers are list indexes; None removes it."""

    def change(objects: Objects) -> None:
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        target: Any = objects[key]
        for part in parents:
            target = target[part]
        if value is None:
            del target[last]
        else:
            target[last] = value

    return change


def _without(key: str) -> Callable[[Objects], object]:
    return lambda objects: objects.pop(key)


def _all(*changes: Callable[[Objects], object]) -> Callable[[Objects], object]:
    """Make several changes that are one defect."""
    return lambda objects: [change(objects) for change in changes]


def _copy(key: str, name: str, *changes: Callable[[Objects], object]) -> Callable[[Objects], object]:
    """Add a copy of an object for further changes, as `Kind/name`."""

    def change(objects: Objects) -> None:
        added = deepcopy(objects[key])
        added["metadata"]["name"] = name
        objects[f"{added['kind']}/{name}"] = added
        for one in changes:
            one(objects)

    return change


def _decode_service(objects: Objects) -> None:
    """Add a Service of the decode pods, which reaches them without an EPP."""
    spec = {"selector": {"llm-d.ai/role": "decode"}, "ports": [{"name": "http", "port": 8000}]}
    meta = {"name": "decode", "namespace": objects[ROUTE]["metadata"]["namespace"]}
    objects["Service/decode"] = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def _listener(**fields: object) -> Callable[[Objects], object]:
    return lambda objects: objects[GATEWAY]["spec"]["listeners"][0].update(fields)


def _backends(*backends: dict[str, object]) -> Callable[[Objects], object]:
    """Add backends to the route's rule, beside the pool."""
    return lambda objects: objects[ROUTE]["spec"]["rules"][0]["backendRefs"].extend(backends)


def _pool_port(number: int) -> Callable[[Objects], object]:
    """Change the pool's port, and the route's with it."""
    return _all(
        _at(POOL, "spec.targetPorts", [{"number": number}]),
        _at(ROUTE, "spec.rules.0.backendRefs.0.port", number),
    )


def _argument(key: str, pattern: str, replacement: str, where: str = "containers") -> Callable[[Objects], object]:
    """Replace an argument of the first container; "" drops it."""

    def change(objects: Objects) -> None:
        container = objects[key]["spec"]["template"]["spec"][where][0]
        changed = [re.sub(pattern, replacement, argument) for argument in container["args"]]
        assert changed != container["args"], f"{pattern} matches nothing in {container['args']}"
        container["args"] = [argument for argument in changed if argument]

    return change


def _label(key: str, name: str, value: str | None) -> Callable[[Objects], object]:
    """Change a label of the pods, and of the Deployment's selector, which the API server requires."""

    def change(objects: Objects) -> None:
        spec = objects[key]["spec"]
        for labels in (spec["template"]["metadata"]["labels"], spec["selector"]["matchLabels"]):
            if value is None:
                labels.pop(name, None)
            elif name in labels:
                labels[name] = value

    return change


def _config(change: Callable[[dict[str, Any]], object]) -> Callable[[Objects], object]:
    def changed(objects: Objects) -> None:
        [(file, text)] = objects[CONFIG]["data"].items()
        document = yaml.safe_load(text)
        change(document)
        objects[CONFIG]["data"][file] = yaml.safe_dump(document, sort_keys=False)

    return changed


def _swap_filters(document: dict[str, Any]) -> None:
    for profile in document["schedulingProfiles"]:
        for plugin in profile["plugins"]:
            swapped = {"prefill-filter": "decode-filter", "decode-filter": "prefill-filter"}
            plugin["pluginRef"] = swapped.get(plugin["pluginRef"], plugin["pluginRef"])


def _misspell(document: dict[str, Any]) -> None:
    [decider] = [plugin for plugin in document["plugins"] if plugin["type"] == "prefix-based-pd-decider"]
    decider["parameters"] = {"nonCachedTokenz": decider["parameters"]["nonCachedTokens"]}


def _drop_plugin(name: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["plugins"] = [plugin for plugin in document["plugins"] if plugin["type"] != name]
        for profile in document["schedulingProfiles"]:
            profile["plugins"] = [plugin for plugin in profile["plugins"] if plugin["pluginRef"] != name]

    return change


def _rename_decode(document: dict[str, Any]) -> None:
    document["schedulingProfiles"][1]["name"] = "decoding"


def _decider_last(document: dict[str, Any]) -> None:
    document["plugins"].sort(key=lambda plugin: plugin["type"].endswith("-decider"))


def _drop_resource(name: str) -> Callable[[Objects], object]:
    def change(objects: Objects) -> None:
        rules = objects[ROLE]["rules"]
        assert any(name in rule["resources"] for rule in rules), name
        objects[ROLE]["rules"] = [
            {**rule, "resources": kept}
            for rule in rules
            if (kept := [resource for resource in rule["resources"] if resource != name])
        ]

    return change


def _gpus(number: str) -> Callable[[Objects], object]:
    def change(objects: Objects) -> None:
        resources = objects[DECODE]["spec"]["template"]["spec"]["containers"][0]["resources"]
        for amounts in resources.values():
            amounts["amd.com/gpu"] = number

    return change


_POD = "spec.template.spec"
TO_POOL = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "gaie-pd", "port": 8000}
NOT_ASKED = "request or route"
"""Envoy answers 500 if it had sent a part of the body to the EPP when the connection failed; else it fails open."""
DEFECTS = [
    # the Gateway
    Defect("Gateway of an unknown class", "gateway", _at(GATEWAY, "spec.gatewayClassName", "isto")),
    Defect(
        "Gateway's parameters are not there",
        "gateway",
        _without(PARAMETERS),
        says="InvalidParameters parametersRef ConfigMap",
    ),
    Defect(
        "Gateway's parameters have a wrong key",
        "gateway",
        lambda objects: objects[PARAMETERS]["data"].update(deploy=objects[PARAMETERS]["data"].pop("deployment")),
        says="not Programmed: ",
    ),
    Defect(
        "proxy with a command that it doesn't know",
        "gateway",
        lambda objects: objects[PARAMETERS]["data"].update(
            deployment=objects[PARAMETERS]["data"]["deployment"].replace("- proxy\n", "- proxi\n")
        ),
        says='unknown command "proxi"',
    ),
    Defect(
        "listener's certificate is another kind of Secret",
        "gateway",
        _listener(protocol="HTTPS", tls={"certificateRefs": [{"name": "llm-d-hf-token"}]}),
        says="InvalidCertificateRef",
    ),
    Defect("Gateway's listener takes another host name", "models", _at(GATEWAY, "spec.listeners.0.hostname", "x.test")),
    # the route
    Defect("route to another Gateway", "route", _at(ROUTE, "spec.parentRefs.0.name", "infra-pd-gateway")),
    Defect(
        "route to a listener that is not there",
        "route",
        _at(ROUTE, "spec.parentRefs.0.sectionName", "https"),
        says="not Accepted: NoMatchingParent",
    ),
    Defect(
        "listener takes no routes of HTTP",
        "route",
        _listener(allowedRoutes={"kinds": [{"kind": "GRPCRoute"}]}),
        says="not Accepted: NotAllowedByListeners",
    ),
    Defect("route to another pool", "route", _at(ROUTE, "spec.rules.0.backendRefs.0.name", "gaie-dp")),
    Defect(
        "route to a pool of another namespace",
        "route",
        _backends({**TO_POOL, "namespace": "elsewhere", "weight": 1}),
        says="not ResolvedRefs: RefNotPermitted",
    ),
    Defect("route to a Service of the pool's name", "route", _at(ROUTE, "spec.rules.0.backendRefs.0.kind", "Service")),
    Defect(
        "route to a port that the Service lacks",
        "route",
        _all(
            _decode_service,
            lambda objects: objects[ROUTE]["spec"]["rules"].append(
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/plain"}}],
                    "backendRefs": [{"name": "decode", "port": 8001}],
                }
            ),
        ),
        says="port 8001 of Service decode, which has 8000",
    ),
    Defect(
        "route to a port that the pool lacks",
        "route",
        _at(ROUTE, "spec.rules.0.backendRefs.0.port", 8001),
        says="port 8001 of InferencePool gaie-pd, which has 8000",
    ),
    Defect(
        "route shares a rule out to two pools",
        "route",
        _all(
            _copy(POOL, "gaie-dp", _at("InferencePool/gaie-dp", "spec.endpointPickerRef.name", "gaie-dp-epp")),
            _backends({**TO_POOL, "name": "gaie-dp"}),
        ),
        says="gaie-pd, gaie-dp",
    ),
    Defect(
        "another route takes the requests past the EPP",
        "route",
        _all(
            _decode_service,
            _copy(
                ROUTE,
                "plain",
                _at("HTTPRoute/plain", "spec.rules.0.backendRefs", [{"name": "decode", "port": 8000}]),
                _at("HTTPRoute/plain", "spec.rules.0.matches.0.path.value", "/v1/completions"),
            ),
        ),
        says="answered without asking the EPP; HTTPRoute plain",
    ),
    Defect("route for another path", "models", _at(ROUTE, "spec.rules.0.matches.0.path.value", "/v2")),
    # the gateway's connection to the EPP
    Defect("no rule that the picker speaks TLS", NOT_ASKED, _without(RULE), says="no DestinationRule"),
    Defect(
        "the picker's TLS rule for another host",
        NOT_ASKED,
        _at(RULE, "spec.host", "gaie-pd.llm-d-pd.svc.cluster.local"),
        says="no DestinationRule",
    ),
    Defect(
        "the picker's TLS rule with the mesh's certificates",
        NOT_ASKED,
        _at(RULE, "spec.trafficPolicy.tls", {"mode": "ISTIO_MUTUAL"}),
        says="has TLS mode ISTIO_MUTUAL",
    ),
    Defect(
        "the picker's TLS rule verifies the certificate",
        NOT_ASKED,
        _at(RULE, "spec.trafficPolicy.tls", {"mode": "SIMPLE"}),
        says="lacks insecureSkipVerify",
    ),
    # the pool
    Defect("pool selects nothing", "pool", _at(POOL, "spec.selector.matchLabels", {"llm-d.ai/instance": "dp"})),
    Defect("pool goes past the sidecar", "legs", _pool_port(8200)),
    Defect("pool goes to a port without a listener", "models", _pool_port(8001), says="HTTP 503"),
    Defect("pool names another picker", "picker", _at(POOL, "spec.endpointPickerRef.name", "gaie-pd")),
    Defect("pool names the picker's health port", "picker", _at(POOL, "spec.endpointPickerRef.port.number", 9003)),
    # the picker
    Defect("picker watches another pool", "picker", _argument(PICKER, "^(--pool-name)=.*", r"\1=gaie-dp")),
    Defect("picker looks in another namespace", "picker", _argument(PICKER, "^(--pool-namespace)=.*", r"\1=default")),
    Defect("picker without its configuration", "picker", _at(PICKER, f"{_POD}.containers.0.volumeMounts", [])),
    Defect("picker with a flag of a later version", "picker", _argument(PICKER, "^(--zap-encoder=.*)", "--kv-x=1")),
    Defect("picker under the default account", "picker", _at(PICKER, f"{_POD}.serviceAccountName", "default")),
    Defect("picker's Service selects nothing", "picker", _at(SERVICE, "spec.selector", {"inferencepool": "gaie-dp"})),
    Defect("picker may not see pools", "picker", _drop_resource("inferencepools")),
    Defect("picker's rights go to an absent account", "picker", _at(BINDING, "subjects.0.name", "gaie-pd-pepp")),
    # the picker's configuration
    Defect("filters swapped between the profiles", "legs", _config(_swap_filters)),
    Defect("no plugin sets the prefill header", "legs", _config(_drop_plugin("disagg-headers-handler"))),
    Defect("decode profile has another name", "request", _config(_rename_decode)),
    Defect("decider after the handler", "picker", _config(_decider_last)),
    Defect("misspelt parameter of the decider", "legs", _config(_misspell), selective=True),
    # the sidecar
    Defect("sidecar serves TLS", "models or request", _argument(DECODE, "^--secure-proxy=.*", "", "initContainers")),
    Defect(
        "sidecar looks for vLLM elsewhere",
        "models or request",
        _argument(DECODE, "^(--vllm-port)=.*", r"\1=8300", "initContainers"),
    ),
    Defect(
        "sidecar with a flag of another release",
        "decode",
        _argument(DECODE, "^--kv-connector", "--kv-conn", "initContainers"),
    ),
    Defect("no sidecar", "legs", _at(DECODE, f"{_POD}.initContainers", None)),
    # the workers
    Defect("prefill pods without a role", "prefill", _label(PREFILL, "llm-d.ai/role", None)),
    Defect("decode pods of another instance", "pool", _label(DECODE, "llm-d.ai/instance", "dp")),
    Defect("vLLM with a flag that it doesn't know", "prefill", _argument(PREFILL, "^--block-size", "--blok-size")),
    Defect(
        "another model name on the decode workers",
        "models or request",
        _argument(DECODE, "^(--served-model-name)=.*", r"\1=other"),
    ),
    Defect("vLLM on another port than the probes", "decode", _argument(DECODE, "^(--port)=.*", r"\1=8300")),
    Defect("token Secret without the key", "prefill", _at("Secret/llm-d-hf-token", "data", {"TOKEN": "eA=="})),
    Defect("more GPUs than a node has", "decode", _gpus("16")),
]
