"""Gateways in a real sandbox: real API server, real Envoys in pods, requests from outside."""

import http.client
import os
import re
import signal
import threading
from collections.abc import Iterator

import pytest
import yaml

from sandbox.cluster.api import connect
from sandbox.cluster.nodes import Fleet, provide
from tests.sandbox.gateways.certificate import answered, secret, secure
from tests.sandbox.gateways.serving import NAMESPACE, Doors, gateway, pool, route, server, to_pool, to_service
from tests.sandbox.running import Running, memory, processes, soon

FRONT = "front"
"""The Gateway that most tests use; in front of server a."""


@pytest.fixture(scope="module")
def doors(cluster: Running) -> Iterator[Doors]:
    provide(cluster.host_kubeconfig, Fleet("amd"))
    with connect(cluster.host_kubeconfig) as api:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        api.apply(f"/api/v1/namespaces/{NAMESPACE}", namespace)
        doors = Doors(cluster, api)
        soon(
            lambda: (
                "default"
                in [
                    one["metadata"]["name"]
                    for one in api.get(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts")["items"]
                ]
            )
        )
        doors.put(
            server("a")
            + "---\n"
            + server("b")
            + "---"
            + gateway(FRONT)
            + "---"
            + route("front", FRONT, to_service("a"))
        )
        yield doors
        api.delete(f"/api/v1/namespaces/{NAMESPACE}")


def test_a_gateway_is_programmed_when_its_envoy_serves(doors: Doors) -> None:
    doors.programmed(FRONT)
    doors.until(lambda: doors.said(FRONT) == (200, "a"))
    status = (doors.get("Gateway", FRONT) or {})["status"]
    assert status["addresses"] == [{"type": "Hostname", "value": f"front-istio.{NAMESPACE}.svc.cluster.local"}]
    assert status["listeners"][0]["attachedRoutes"] == 1
    assert doors.parent("HTTPRoute", "front", "Accepted")[:2] == ("True", "Accepted")
    assert doors.parent("HTTPRoute", "front", "ResolvedRefs")[:2] == ("True", "ResolvedRefs")


def test_each_request_is_written_down_within_a_moment(doors: Doors) -> None:
    answer = doors.ask(FRONT, "/written?down=1")
    request_id = answer.headers["x-request-id"]
    answer.read()
    assert soon(lambda: request_id in [one.id for one in doors.accesses(FRONT)])
    (access,) = [one for one in doors.accesses(FRONT) if one.id == request_id]
    assert (access.status, access.path, access.route) == (200, "/written?down=1", f"{NAMESPACE}.front.0.0")
    assert access.upstream
    assert access.picked_us
    assert access.first_byte_us
    assert access.total_us
    assert 0 < access.picked_us <= access.first_byte_us <= access.total_us
    assert (access.decode, access.prefill, access.as_picked) == (None, None, False)


@pytest.mark.parametrize(
    ("backends", "reason"),
    [
        (to_service("nobody"), "BackendNotFound"),
        ("[{name: a, port: 8001}]", "BackendNotFound"),
        (to_pool("nobody"), "BackendNotFound"),
        ("[{group: example.com, kind: Pond, name: a}]", "InvalidKind"),
        ("[{name: kubernetes, namespace: default, port: 443}]", "RefNotPermitted"),
    ],
)
def test_a_reference_that_leads_nowhere_is_in_the_status_and_answers_500(
    doors: Doors, backends: str, reason: str
) -> None:
    doors.put(route("lost", FRONT, backends, "{path: {value: /lost}}"))
    doors.until(lambda: doors.parent("HTTPRoute", "lost", "ResolvedRefs")[:2] == ("False", reason))
    doors.until(lambda: doors.said(FRONT, "/lost")[0] == 500)
    assert doors.said(FRONT) == (200, "a")
    doors.delete("HTTPRoute", "lost")
    doors.until(lambda: doors.said(FRONT, "/lost") == (200, "a"))


@pytest.mark.parametrize(("mode", "status"), [("FailOpen", 200), ("FailClose", 500)])
@pytest.mark.parametrize("picker", ["nobody", "b"])
def test_a_picker_that_does_not_answer_is_the_failure_modes_business(
    doors: Doors, picker: str, mode: str, status: int
) -> None:
    """Missing altogether, or there but no picker: b is a web server."""
    doors.put(
        pool("workers", picker, mode) + "---" + route("pooled", FRONT, to_pool("workers"), "{path: {value: /pool}}")
    )
    resolved = "ResolvedRefs" if picker == "b" else "InvalidExtensionRef"
    doors.until(lambda: doors.parent("InferencePool", "workers", "ResolvedRefs")[1] == resolved)
    if status == 200:
        doors.until(lambda: {doors.said(FRONT, "/pool") for _ in range(6)} == {(200, "a"), (200, "b")})
    else:
        doors.until(lambda: doors.said(FRONT, "/pool")[0] in (500, 504))
    doors.delete("HTTPRoute", "pooled")
    doors.delete("InferencePool", "workers")
    doors.until(lambda: doors.said(FRONT, "/pool") == (200, "a"))


def test_no_request_is_lost_while_the_configuration_changes(doors: Doors) -> None:
    seen: list[tuple[int, str]] = []
    stop = threading.Event()

    def client(*, keep: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", doors.port(FRONT), timeout=20)
        while not stop.is_set():
            connection.request("GET", "/")
            response = connection.getresponse()
            seen.append((response.status, response.read().decode()))
            if not keep:
                connection.close()
        connection.close()

    clients = [threading.Thread(target=client, kwargs={"keep": keep}) for keep in (True, False)]
    for one in clients:
        one.start()
    for turn in range(6):
        target = "ba"[turn % 2]
        doors.put(route("front", FRONT, to_service(target)))
        doors.until(lambda target=target: bool(seen) and seen[-1][1] == target)  # type: ignore[misc]
    stop.set()
    for one in clients:
        one.join()
    assert {status for status, _ in seen} == {200}
    assert {name for _, name in seen} == {"a", "b"}
    doors.until(lambda: {doors.said(FRONT) for _ in range(6)} == {(200, "a")})  # each worker thread of Envoy


def test_what_envoy_refuses_is_told_in_its_words_while_the_rest_goes_on(doors: Doors) -> None:
    doors.put(route("bad", FRONT, to_service("b"), '{path: {type: RegularExpression, value: "/("}}'))
    doors.until(lambda: doors.condition(FRONT)[:2] == ("False", "Invalid"))
    assert re.match(r"Envoy refuses the routes: .*missing \)", doors.condition(FRONT)[2])
    assert doors.said(FRONT) == (200, "a")
    doors.delete("HTTPRoute", "bad")
    doors.programmed(FRONT)


def test_a_second_gateway_serves_beside_the_first_and_goes_without_a_trace(doors: Doors) -> None:
    doors.put(gateway("side", "LoadBalancer") + "---" + route("side", "side", to_service("b")))
    doors.programmed("side")
    doors.until(lambda: doors.said("side") == (200, "b"))
    assert doors.said(FRONT) == (200, "a")
    port = doors.port("side")
    assert port not in (None, doors.port(FRONT))
    (address,) = (doors.get("Gateway", "side") or {})["status"]["addresses"]
    assert address["type"] == "IPAddress"
    assert doors.cluster.run("python3", "-c", _GET.format(address["value"])).stdout == "b"

    doors.delete("Gateway", "side")
    doors.until(lambda: doors.port("side") is None)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with pytest.raises(ConnectionResetError):
        connection.request("GET", "/")
        connection.getresponse()
    doors.until(lambda: not {"side-istio"} & {*doors.names("Deployment"), *doors.names("Service")})
    doors.until(lambda: not [name for name in doors.names("Pod") if name.startswith("side-")])
    assert (doors.get("HTTPRoute", "side") or {})["status"]["parents"] == []
    doors.delete("HTTPRoute", "side")


_GET = "import urllib.request; print(urllib.request.urlopen('http://{}/', timeout=5).read().decode(), end='')"


def test_a_replaced_gateway_pod_finishes_what_it_has_begun(doors: Doors) -> None:
    (before,) = [name for name in doors.names("Pod") if name.startswith("front-istio-")]
    answer = doors.ask(FRONT, "/slow")
    assert answer.read(1) == b"a"
    overlay = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "front"}}
    labels = "{metadata: {labels: {turn: second}}}"
    doors.api.apply(
        f"/api/v1/namespaces/{NAMESPACE}/configmaps/front",
        {**overlay, "data": {"deployment": f"spec: {{template: {labels}}}"}},
    )
    reference = {"parametersRef": {"group": "", "kind": "ConfigMap", "name": "front"}}
    doors.patch("Gateway", FRONT, {"spec": {"infrastructure": reference}})
    seen = []
    while before in doors.names("Pod"):
        seen.append(doors.said(FRONT))
    assert answer.read() == b"a" * 49
    assert set(seen) == {(200, "a")}
    doors.programmed(FRONT)


def test_https_ends_at_the_gateway_with_the_secrets_certificate(doors: Doors) -> None:
    both = yaml.safe_load(gateway("locked"))
    both["spec"]["listeners"].append(secure("door"))
    doors.put(yaml.safe_dump(both) + "---" + route("locked", "locked", to_service("b")))
    doors.until(lambda: doors.listener("locked", "https", "ResolvedRefs")[:2] == ("False", "InvalidCertificateRef"))
    assert doors.listener("locked", "https", "Programmed")[0] == "False"
    doors.until(lambda: doors.listener("locked", "default", "Programmed")[0] == "True")

    doors.put(secret("door", NAMESPACE))
    doors.until(lambda: doors.port("locked:443") is not None)
    doors.programmed("locked")
    doors.until(lambda: doors.listener("locked", "https", "Programmed")[0] == "True")
    doors.until(lambda: answered(doors.port("locked:443")) == (200, "b"))
    assert doors.said("locked") == (200, "b")
    for kind in ("Gateway", "HTTPRoute"):
        doors.delete(kind, "locked")
    doors.until(lambda: doors.port("locked:443") is None)


def controller(doors: Doors) -> set[int]:
    return {pid for pid, command in processes(doors.cluster.home).items() if "-m sandbox.gateway" in command}


def test_the_controller_is_light(doors: Doors) -> None:
    ours = controller(doors)
    assert len(ours) == 1
    assert memory(ours) < 48 * 2**20  # 24 to 36 MB beside the stack's other processes, which share the interpreter


def test_a_killed_controller_comes_back_to_the_same_ports_and_changes_nothing(doors: Doors) -> None:
    before, port = doors.get("Gateway", FRONT), doors.port(FRONT)
    (pid,) = controller(doors)
    os.kill(pid, signal.SIGKILL)
    doors.until(lambda: len(controller(doors) - {pid}) == 1)

    def serves() -> bool:
        try:
            return doors.said(FRONT) == (200, "a")
        except OSError:
            return False

    doors.until(serves)
    assert doors.port(FRONT) == port
    assert doors.get("Gateway", FRONT) == before
