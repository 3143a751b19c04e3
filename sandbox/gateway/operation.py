"""How far each Gateway is in operation: whether its Envoys run what they should, and where it can be reached."""

from dataclasses import dataclass
from pathlib import Path

from sandbox.gateway.envoy import Resources
from sandbox.gateway.model import Gateway, Verdict
from sandbox.gateway.references import ready_pods
from sandbox.gateway.status import Operation
from sandbox.gateway.store import Key, World
from sandbox.gateway.validation import complaint
from sandbox.gateway.xds import Configurations

_SIMULATED = Verdict(True, "Programmed", "simulated: without namespaces no Envoy runs, nothing is served")


@dataclass(frozen=True)
class _Complaint:
    about: Resources
    words: str


class Operations:
    """Watches over the Envoys of all Gateways."""

    def __init__(self, configurations: Configurations, envoy: Path) -> None:
        self._configurations, self._envoy = configurations, envoy
        self._complaints: dict[Key, _Complaint] = {}

    def of(self, world: World, gateway: Gateway) -> Operation:
        """Return how far a Gateway is."""
        addresses = _addresses(world, gateway)
        return Operation(self._programmed(world, gateway, addresses), addresses)

    def unexplained(self, world: World, gateway: Gateway, wanted: Resources) -> bool:
        """Whether an Envoy refuses a configuration and nobody has asked why yet."""
        known = self._complaints.get(gateway.key)
        return bool(self._refused(world, gateway)) and (known is None or known.about != wanted)

    def explain(self, gateway: Gateway, wanted: Resources) -> None:
        """Ask Envoy what is wrong with a configuration; takes some 0.2 s."""
        self._complaints[gateway.key] = _Complaint(wanted, complaint(self._envoy, wanted))

    def _programmed(self, world: World, gateway: Gateway, addresses: tuple[tuple[str, str], ...]) -> Verdict:
        if not gateway.accepted.good:
            return Verdict(False, "Invalid", gateway.accepted.message)
        pods = ready_pods(world, gateway.workload)
        if not pods:
            return Verdict(False, "Pending", f"no pod of Deployment {gateway.workload[1]} is ready")
        if kind := self._refused(world, gateway):
            known = self._complaints.get(gateway.key)
            return Verdict(False, "Invalid", f"Envoy refuses the {kind}: {known.words if known else ''}".strip(": "))
        if not addresses:
            return Verdict(False, "AddressNotAssigned", f"Service {gateway.workload[1]} has no address yet")
        done = all(self._configurations.current(gateway.key, f"{gateway.key[0]}/{pod}") for pod in pods)
        if done or _was_programmed(gateway):  # between two configurations it goes on serving
            return Verdict(True, "Programmed", f"{len(pods)} Envoy {'pods serve' if len(pods) > 1 else 'pod serves'}")
        return Verdict(False, "Pending", "Envoy has not taken the configuration yet")

    def _refused(self, world: World, gateway: Gateway) -> str | None:
        pods = ready_pods(world, gateway.workload)
        found = (self._configurations.refused(gateway.key, f"{gateway.key[0]}/{pod}") for pod in pods)
        return next((kind for kind in found if kind), None)


def simulated(gateway: Gateway) -> Operation:
    """Return the operation of a Gateway where no pod runs."""
    if not gateway.accepted.good:
        return Operation(Verdict(False, "Invalid", gateway.accepted.message), ())
    return Operation(_SIMULATED, (("Hostname", _host_name(gateway)),))


def _was_programmed(gateway: Gateway) -> bool:
    metadata, status = gateway.spec["metadata"], gateway.spec.get("status") or {}
    wanted = ("Programmed", "True", metadata.get("generation", 0))
    return wanted in [
        (one["type"], one["status"], one.get("observedGeneration")) for one in status.get("conditions") or ()
    ]


def _addresses(world: World, gateway: Gateway) -> tuple[tuple[str, str], ...]:
    """As the controllers do: the load balancer's addresses; for a ClusterIP istio the name, the others the address."""
    service = world["Service"].get(gateway.workload)
    if service is None:
        return ()
    if service["spec"].get("type") == "LoadBalancer":
        ingress = (service.get("status", {}).get("loadBalancer") or {}).get("ingress") or ()
        return tuple(("IPAddress", one["ip"]) for one in ingress if "ip" in one)
    if gateway.gateway_class.istio:
        return (("Hostname", _host_name(gateway)),)
    return (("IPAddress", service["spec"]["clusterIP"]),)


def _host_name(gateway: Gateway) -> str:
    namespace, name = gateway.workload
    return f"{name}.{namespace}.svc.cluster.local"
