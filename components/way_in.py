"""Floor 5: the way in, for people: URL, port-forward and requests to paste, once it is known what address there is."""

import json
import shlex

from components.plan.entrance import DEFAULT_PORTS, Entrance

LOCAL_PORT = 8000
"""Local port of the suggested port-forward."""


def url(entrance: Entrance, address: str) -> str:
    """What clients call, up to `/v1`; a host name that the route asks for must lead to the address."""
    return f"{entrance.scheme}://{_authority(entrance.host or address, entrance)}{entrance.path}"


def search(entrance: Entrance) -> str:
    """The command that opens a way in while there is no address, or that shows whether there is one by now."""
    if entrance.service is None:
        return f"kubectl --namespace {entrance.namespace} get gateway {entrance.gateway}"
    ports = f"{LOCAL_PORT}:{entrance.port}"
    return f"kubectl --namespace {entrance.namespace} port-forward service/{entrance.service} {ports}"


def request(entrance: Entrance, address: str, model: str, *, stream: bool = False) -> str:
    """A first request, ready to paste; to the port-forward while there is no address, if there is a Service for it."""
    body = {"model": model, "prompt": "How are you today?", "max_tokens": 50, **({"stream": True} if stream else {})}
    if address:
        place = _authority(address, entrance)
    else:
        place = f"localhost:{LOCAL_PORT}" if entrance.service else "ADDRESS-OF-THE-GATEWAY"
    target = url(entrance, address) if entrance.host else f"{entrance.scheme}://{place}{entrance.path}"
    command = ["curl", "-sSN" if stream else "-sS", f"{target}/v1/completions"]
    if entrance.host and entrance.host != address:  # the name may not be known to DNS
        command += ["--connect-to", f"::{place}" if ":" in place.rpartition("]")[2] else f"::{place}:"]
    if entrance.scheme == "https" and not (entrance.host or entrance.address):
        command.append("--insecure")  # nobody has said for which name the certificate is
    for name, value in {"Content-Type": "application/json", **entrance.headers}.items():
        command += ["-H", f"{name}: {value}"]
    return " ".join([shlex.join(command), *_key(entrance), shlex.join(["-d", json.dumps(body)])])


def _key(entrance: Entrance) -> list[str]:
    """The header with the API key, which the shell reads from the Secret, so that no output holds it."""
    given = entrance.api_key
    if given is None:
        return []
    template = f'{{{{index .data "{given.key}" | base64decode}}}}'
    read = shlex.join(["kubectl", "--namespace", entrance.secrets, "get", "secret", given.secret])
    return ["-H", f'"Authorization: Bearer $({read} --output go-template={shlex.quote(template)})"']


def _authority(host: str, entrance: Entrance) -> str:
    """Host and port as they stand in a URL."""
    host = f"[{host}]" if ":" in host else host
    return host if entrance.port == DEFAULT_PORTS[entrance.scheme] else f"{host}:{entrance.port}"
