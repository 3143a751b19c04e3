"""istiod where it can be read: version, switch of the inference extension, and revision.

Source: istio/istio 1.28.1 and 1.29.1, pilot/pkg/features/experimental.go (`ENABLE_GATEWAY_API_INFERENCE_EXTENSION`,
off by default), pkg/revisions (an object is that revision's which its label, else its namespace's label names).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from components import gateways
from preflight.answers import Object, Question
from preflight.checks.gateway_class import CLASSES
from preflight.facts import Facts
from preflight.finding import Finding, error

GROUP = "networking.istio.io"
ISTIODS = Question("/apis/apps/v1/deployments?labelSelector=app%3Distiod")
TAGS = Question(
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations?labelSelector=istio.io%2Ftag",
    metadata_only=True,
)
REVISION, DEFAULT = "istio.io/rev", "default"
SWITCH = "ENABLE_GATEWAY_API_INFERENCE_EXTENSION"
CONTROLLER, ISTIOS = "PILOT_GATEWAY_API_CONTROLLER_NAME", "istio.io/gateway-controller"
LEAST, KNOWN = (1, 28, 1), (1, 31)
"""The first version with InferencePool v1, and the newest of which is known that the switch is off by default."""
CHECK = "istio"
PROVIDER = "serving.gateway.provider"


class Istiod(NamedTuple):
    """One Deployment of istiod."""

    place: str
    revision: str
    image: str
    env: Mapping[str, str]

    @property
    def version(self) -> tuple[int, ...]:
        """From the image's tag; empty: it does not say."""
        found = re.search(r":v?(\d+)\.(\d+)(?:\.(\d+))?", self.image)
        return tuple(int(each or 0) for each in found.groups()) if found else ()


def asks(facts: Facts) -> list[Question]:
    """All istiods, and their revisions' other names; nothing for providers that are not istio."""
    return [ISTIODS, TAGS, CLASSES] if _concerned(facts) else []


def check(facts: Facts) -> Iterator[Finding]:
    """The istiod that serves the stack's Gateway; nothing where none is seen: it may run outside the cluster."""
    if not _concerned(facts):
        return
    known, tags = _istiods(facts), facts.asked(TAGS)
    if not known or not tags.ok:
        return
    names = {str(labels["istio.io/tag"]): str(labels.get(REVISION)) for labels in map(_labels, tags.items)}
    wanted = _wanted(facts)
    serving = [each for each in known if each.revision == names.get(wanted, wanted)]
    if not serving:
        there = ", ".join(f"{each.revision} ({each.place})" for each in known)
        shared = facts.plan.gateway.existing is not None
        yield error(
            CHECK,
            "serving.gateway.existing" if shared else "serving.gateway.labels",
            f"istiod runs under the revision {there}, and the Gateway is of the revision {wanted}",
            "no istiod would take the Gateway: it would never be Programmed, though its class is accepted",
            f"have the Gateway's owner label it {REVISION}={known[0].revision}, or name another Gateway"
            if shared
            else f"`pulumi config set --path 'serving.gateway.labels[\"{REVISION}\"]' {known[0].revision}`",
        )
        return
    best = max(serving, key=lambda each: (each.env.get(SWITCH) == "true", each.version))
    if best.version and best.version < LEAST:
        yield error(
            CHECK,
            PROVIDER,
            f"istiod {best.place} is {best.image}",
            "it knows no InferencePool v1: the route would have no backend, and every request would fail",
            "upgrade istio to 1.28.1 or newer, or choose another provider",
        )
    elif best.env.get(SWITCH) != "true" and (SWITCH in best.env or best.version[:2] <= KNOWN):
        yield error(
            CHECK,
            PROVIDER,
            f"istiod {best.place} ({best.image}) has not {SWITCH}=true in its environment",
            "it would ignore the InferencePool: the route would have no backend, and every request would fail",
            f"`helm upgrade … --set pilot.env.{SWITCH}=true`, or choose another provider",
        )


def _concerned(facts: Facts) -> bool:
    return GROUP in gateways.of(facts.plan.gateway).kinds


def _istiods(facts: Facts) -> list[Istiod]:
    """Those with the controller that the class of the stack's Gateway names."""
    answer, classes = facts.asked(ISTIODS), facts.asked(CLASSES)
    chosen = [each for each in classes.items if each["metadata"]["name"] == facts.plan.gateway.class_name]
    controllers = {each["spec"]["controllerName"] for each in chosen} or {ISTIOS}
    found = [_istiod(each) for each in answer.items if answer.ok]
    return [each for each in found if each.env.get(CONTROLLER, ISTIOS) in controllers]


def _istiod(deployment: Object) -> Istiod:
    metadata = deployment["metadata"]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    env = {each["name"]: str(each.get("value", "")) for each in container.get("env") or []}
    revision = env.get("REVISION") or _labels(deployment).get(REVISION) or DEFAULT
    return Istiod(f"{metadata['namespace']}/{metadata['name']}", str(revision), str(container.get("image")), env)


def _wanted(facts: Facts) -> str:
    """The revision of the stack's Gateway; of an existing one, its own."""
    given = facts.plan.gateway.existing
    if given:
        path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{given.namespace}/gateways/{given.name}"
        labels, namespace = _labels(facts.get(path).body), given.namespace
    else:
        declared = next(each for each in facts.objects if each.kind == "Gateway")
        labels, namespace = declared.document["metadata"].get("labels") or {}, str(declared.namespace)
    return str(
        labels.get(REVISION) or _labels(facts.get(f"/api/v1/namespaces/{namespace}").body).get(REVISION) or DEFAULT
    )


def _labels(live: Object) -> Mapping[str, Any]:
    return (live.get("metadata") or {}).get("labels") or {}
