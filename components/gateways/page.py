"""Writes what docs/gateways.md says about providers, from their files and `page.yaml`:
`python -m components.gateways.page`. With `--check` nothing is written; a stale page is named, exit code 1.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic.alias_generators import to_camel

from components.config.generated import DOCS, filled, written
from components.config.vocabulary import ReleaseName
from components.gateways import PROVIDERS, GatewayProvider


def generated() -> str:
    """The generated part."""
    versions = [each for releases in PROVIDERS.values() for each in _versions(releases)]
    return "\n".join([*_table(versions), *(line for one in versions for line in _section(*one)), *_refused(versions)])


class Version(NamedTuple):
    """A provider in the releases where it is the same."""

    heading: str
    provider: GatewayProvider
    text: dict[str, Any]
    """Its entry of `page.yaml`."""


def _versions(releases: Mapping[ReleaseName, GatewayProvider]) -> Iterator[Version]:
    texts = yaml.safe_load((Path(__file__).parent / "page.yaml").read_text())
    there = {release: each for release, each in releases.items() if each.missing is None}
    for provider in dict.fromkeys(map(id, there.values())):
        same = [release for release, each in there.items() if id(each) == provider]
        chosen = there[same[0]]
        heading = str(chosen.word) if len(same) == len(releases) else f"{chosen.word}, release {', '.join(same)}"
        entry = next((key for key in (f"{chosen.word} {release}" for release in same) if key in texts), chosen.word)
        yield Version(heading, chosen, texts[str(entry)])


def _table(versions: list[Version]) -> Iterator[str]:
    yield "| `serving.gateway.provider` | GatewayClass | Service | objects besides Gateway and HTTPRoute |"
    yield "|---|---|---|---|"
    for heading, each, text in versions:
        word, comma, release = heading.partition(",")
        linked = f"[`{word}`](#{_anchor(heading)}){comma}{release}"
        yield f"| {linked} | {_classes(each)} | {_service(each)} | {text['makes']} |"


def _anchor(heading: str) -> str:
    return "".join(letter for letter in heading.lower().replace(" ", "-") if letter.isalnum() or letter == "-")


def _classes(each: GatewayProvider) -> str:
    if each.class_name is None:
        return "none"
    internal = f", or `{each.internal_class}` with `exposure: internal`" if each.internal_class else ""
    return f"`{each.class_name}`{internal}"


def _service(each: GatewayProvider) -> str:
    if each.service_suffix is None:
        return "none"
    return f"Gateway's name and `{each.service_suffix}`" if each.service_suffix else "the Gateway's name"


def _section(heading: str, each: GatewayProvider, text: dict[str, Any]) -> Iterator[str]:
    yield from ("", f"### {heading}", "", f"{text['about']} Class, objects and defaults are from {each.source}.")
    if facts := text.get("facts"):
        yield from ("", "| situation or field | behaviour of the controller and the proxy | source |", "|---|---|---|")
        yield from (f"| {each['situation']} | {each['behaviour']} | {each['source']} |" for each in facts)


def _refused(versions: list[Version]) -> Iterator[str]:
    refusals: dict[tuple[str, str], list[str]] = {}
    for heading, each, _ in versions:
        for reason in dict.fromkeys(each.refused.values()):
            fields = [field for field, why in each.refused.items() if why == reason]
            settings = " ".join(f"`{'.'.join(map(to_camel, field.split('.')))}`" for field in fields)
            refusals.setdefault((settings, reason), []).append(heading)
    yield from (
        "",
        "### Settings that a provider refuses",
        "",
        "| settings of `serving.gateway` | reason | refused by |",
    )
    yield "|---|---|---|"
    yield from (f"| {settings} | {reason} | {'; '.join(names)} |" for (settings, reason), names in refusals.items())


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` say whether it is stale; the exit code."""
    file, module = DOCS / "gateways.md", "components.gateways.page"
    return written({file: filled(file, module, generated())}, module, check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
