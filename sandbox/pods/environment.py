"""Environment and command line of a container, from the pod's specification, as a kubelet reads it."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from typing import Any

from components.quantity import amount
from sandbox.cluster.api import Object
from sandbox.cluster.control_plane import ADDRESS

Lookup = Callable[[str, str], Object | None]
"""Returns the ConfigMap or Secret ("configmap" or "secret", name) of the pod's namespace; None = it does not exist.
A Secret's data are plain text."""

_REFERENCE = re.compile(r"\$\$|\$\(([^()$]+)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
_NAMES = {"configmap": "ConfigMap", "secret": "Secret"}


class ConfigError(Exception):
    """The container cannot be configured yet, because an object is missing. The text is a kubelet's."""


def environment(container: Object, pod: Object, lookup: Lookup, base: Mapping[str, str]) -> dict[str, str]:
    """Return `base` with the variables of a container. Raises `ConfigError`."""
    result = dict(base)
    for variable in container.get("env", []):
        value = _value(variable, container, pod, lookup, result)
        if value is not None:
            result[variable["name"]] = value
    return result


def service_links(services: Iterable[Object]) -> dict[str, str]:
    """Return the variables of Services (`enableServiceLinks`): pkg/kubelet/envvars/envvars.go, Kubernetes 1.34.

    A headless Service has none.
    """
    found: dict[str, str] = {}
    for service in services:
        address, ports = service["spec"].get("clusterIP", ""), service["spec"].get("ports", [])
        if address in ("", "None") or not ports:
            continue
        name = _variable(service["metadata"]["name"])
        host = f"[{address}]" if ":" in address else address
        found |= {f"{name}_SERVICE_HOST": address, f"{name}_SERVICE_PORT": str(ports[0]["port"])}
        for number, port in enumerate(ports):
            protocol = port.get("protocol", "TCP")
            url = f"{protocol.lower()}://{host}:{port['port']}"
            prefix = f"{name}_PORT_{port['port']}_{protocol}"
            if port.get("name"):
                found[f"{name}_SERVICE_PORT_{_variable(port['name'])}"] = str(port["port"])
            if number == 0:
                found[f"{name}_PORT"] = url
            found |= {
                prefix: url,
                f"{prefix}_PROTO": protocol.lower(),
                f"{prefix}_PORT": str(port["port"]),
                f"{prefix}_ADDR": address,
            }
    return found


def words(container: Object, entrypoint: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """Return the command line: `command` replaces the image's entrypoint, then come `args`."""
    command = container.get("command") or entrypoint
    return [expanded(word, variables) for word in (*command, *container.get("args", []))]


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Replace $(NAME) by its value; unknown names stay, and $$ is a dollar."""
    return _REFERENCE.sub(
        lambda found: "$" if found[1] is None else variables.get(found[1], found[0]),
        text,
    )


def field_value(path: str, pod: Object) -> str:
    """Return a field of the pod for a fieldRef; an unset field is empty."""
    metadata, status = pod["metadata"], pod.get("status", {})
    if found := _SUBSCRIPT.fullmatch(path):
        return str(metadata.get(found[1], {}).get(found[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        entries: dict[str, str] = metadata.get(path.partition(".")[2], {})
        return "\n".join(f"{name}={_quoted(value)}" for name, value in sorted(entries.items()))
    if path in ("status.podIPs", "status.hostIPs"):
        return ",".join(entry["ip"] for entry in status.get(path.partition(".")[2], []))
    value: Any = pod
    for name in path.split("."):
        value = value.get(name, {}) if isinstance(value, dict) else {}
    return value if isinstance(value, str) else ""


def resolver(pod: Object) -> str:
    """Return a pod's resolv.conf: the cluster's DNS, or with the `dnsPolicy` of its node none."""
    spec, namespace = pod["spec"], pod["metadata"]["namespace"]
    policy = spec.get("dnsPolicy", "ClusterFirst")
    if policy != "ClusterFirstWithHostNet" and (policy != "ClusterFirst" or spec.get("hostNetwork")):
        return ""
    searched = f"{namespace}.svc.cluster.local svc.cluster.local cluster.local"
    return f"nameserver {ADDRESS}\nsearch {searched}\noptions ndots:5\n"


def resource(reference: Object, containers: Sequence[Object], own: Object | None) -> str:
    """Return the number for a resourceFieldRef; an unset limit is the request, else 0."""
    name = reference.get("containerName")
    container = next((one for one in containers if one["name"] == name), own) if name else own
    kind, _, what = reference["resource"].partition(".")
    resources = (container or {}).get("resources", {})
    quantity = resources.get(kind, {}).get(what) or resources.get("requests", {}).get(what) or "0"
    return str(ceil(amount(quantity) / (amount(reference.get("divisor") or "1") or 1)))


def _value(
    variable: Object, container: Object, pod: Object, lookup: Lookup, variables: Mapping[str, str]
) -> str | None:
    source = variable.get("valueFrom")
    if not source:
        return expanded(variable.get("value", ""), variables)
    if "fieldRef" in source:
        return field_value(source["fieldRef"]["fieldPath"], pod)
    if "resourceFieldRef" in source:
        spec = pod["spec"]
        return resource(source["resourceFieldRef"], [*spec.get("initContainers", []), *spec["containers"]], container)
    kind = "configmap" if "configMapKeyRef" in source else "secret"
    return _key(kind, source.get("configMapKeyRef") or source["secretKeyRef"], pod, lookup)


def _key(kind: str, reference: Object, pod: Object, lookup: Lookup) -> str | None:
    found = lookup(kind, reference["name"])
    value = None if found is None else found.get("data", {}).get(reference["key"])
    if value is not None or reference.get("optional"):
        return value
    if found is None:
        raise ConfigError(f'{kind} "{reference["name"]}" not found')
    whole = f"{pod['metadata']['namespace']}/{reference['name']}"
    raise ConfigError(f"couldn't find key {reference['key']} in {_NAMES[kind]} {whole}")


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
