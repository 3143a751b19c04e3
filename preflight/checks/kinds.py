"""Custom kinds: served, in the version that the program uses; and what the release's picker watches."""

from collections.abc import Iterator

from components import gateways
from components.gateways.provider import Source
from components.releases import RELEASES
from preflight.answers import Question
from preflight.declared import BUILT_IN
from preflight.facts import Facts
from preflight.finding import Finding, error

GROUPS = Question("/apis")

SOURCES = {
    "gateway.networking.k8s.io": Source("serving.gateway", "the Gateway API's CRDs (v1.4 or newer, standard channel)"),
    "inference.networking.k8s.io": Source("serving.release", "the Gateway API inference extension's CRDs"),
    "inference.networking.x-k8s.io": Source("serving.release", "the Gateway API inference extension's CRDs"),
    "llm-d.ai": Source("serving.release", "the CRDs of llm-d-router (config/crd/bases of its tag)"),
    "monitoring.coreos.com": Source("serving.monitoring.enabled", "the Prometheus operator's CRDs"),
}
"""Sources of the kinds beside those of a gateway provider, by API group."""


def asks(facts: Facts) -> list[Question]:
    """The groups that are served, and the kinds of each version that is used."""
    return [GROUPS, *(Question(f"/apis/{version}") for version in _used(facts))]


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per version that is not served, or that lacks kinds."""
    for version, kinds in _used(facts).items():
        answer = facts.get(f"/apis/{version}")
        served = {each["kind"] for each in answer.body.get("resources") or []}
        missing = sorted(kinds - served)
        if missing and (answer.ok or answer.absent):
            yield _missing(facts, version, missing)


def _used(facts: Facts) -> dict[str, set[str]]:
    used: dict[str, set[str]] = {}
    for each in facts.objects:
        if each.api_version not in BUILT_IN:
            used.setdefault(each.api_version, set()).add(each.kind)
    for version, kind in RELEASES[facts.plan.release].watched:
        used.setdefault(version, set()).add(kind)
    return used


def _missing(facts: Facts, version: str, kinds: list[str]) -> Finding:
    group, _, number = version.partition("/")
    source = {**SOURCES, **gateways.of(facts.plan.gateway).kinds}[group]
    known = facts.asked(GROUPS).body.get("groups") or []
    versions = [each["version"] for one in known if one["name"] == group for each in one["versions"]]
    if number in versions:
        instead = "other kinds of it are"
    else:
        instead = f"the group is served as {', '.join(versions)}" if versions else "nothing of the group is served"
    without = (
        ", or `pulumi config set --path serving.monitoring.enabled false`" if "monitoring" in source.setting else ""
    )
    picker = any(version == each for each, _ in RELEASES[facts.plan.release].watched)
    return error(
        "custom kinds",
        source.setting,
        f"{', '.join(kinds)} is not served in {version}: {instead}",
        "the picker of this release would wait for it and never be Ready"
        if picker
        else "`pulumi up` would try for a minute, then fail half-way: the apiVersion for this resource does not exist",
        f"install {source.software}, in a version that serves {number}{without}",
    )
