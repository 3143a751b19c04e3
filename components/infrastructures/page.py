"""Writes what people read about infrastructures, from their files: `python -m components.infrastructures.page`.

With `--check` nothing is written; a stale page is named, exit code 1.
"""

import json
import sys
from collections.abc import Iterator

from components.config.generated import DOCS, filled, written
from components.config.vocabulary import Accelerator, Infrastructure, ReleaseName
from components.infrastructures import InfrastructureProfile, profile


def page() -> str:
    """The generated part of the page."""
    sections = [_section(word, profile(word)) for word in Infrastructure]
    return "\n".join([*_table(), *sections]) + "\n"


def _table() -> Iterator[str]:
    columns = [f"{accelerator}, {release}" for accelerator in Accelerator for release in ReleaseName]
    yield f"| `serving.infrastructure` | fabric | {' | '.join(columns)} | `hostNetwork` |"
    yield "|---" * (len(columns) + 3) + "|"
    for word in Infrastructure:
        chosen = profile(word)
        legal = [chosen.has(accelerator) and chosen.runs(one) for accelerator in Accelerator for one in ReleaseName]
        cells = ["yes" if each else "refused" for each in (*legal, not chosen.not_on_host_network)]
        yield f"| [`{word}`](#{word}) | {chosen.fabric} | {' | '.join(cells)} |"


def _section(word: Infrastructure, chosen: InfrastructureProfile) -> str:
    lines = ["", f"## {word}", "", f"**{chosen.title}.** {chosen.about} Source: {chosen.source}."]
    rows = [f"| {what} | {value} | {why} |" for what, value, why in _rows(chosen)]
    lines += ["", "| what | value | why |", "|---|---|---|", *rows] if rows else ["", "It sets nothing."]
    needs = ("Needed in the cluster", chosen.needs)
    differences = ("Differences from upstream, with the reason", chosen.differences)
    for title, items in (needs, differences):
        if items:
            lines += ["", f"{title}:", "", *(f"- {item}" for item in items)]
    refused = list(_refused(chosen))
    if refused:
        lines += ["", *refused]
    return "\n".join(lines)


def _refused(chosen: InfrastructureProfile) -> Iterator[str]:
    if chosen.only:
        there = "; ".join(f"{vendor}: {what}" for vendor, what in chosen.only.items())
        yield f"Other accelerators are refused ({there}): {chosen.otherwise}."
    if chosen.not_on_host_network:
        yield f"`hostNetwork` is refused: {chosen.not_on_host_network}."


def _rows(chosen: InfrastructureProfile) -> Iterator[tuple[str, str, str]]:
    yield from _fabric(chosen)
    yield from _rights_and_files(chosen)
    yield from _place_and_size(chosen)


def _fabric(chosen: InfrastructureProfile) -> Iterator[tuple[str, str, str]]:
    if device := chosen.device:
        count = f"{device.count} for each GPU" if device.per_gpu else f"{device.count} for each pod"
        yield "device", f"`{device.resource}`, {count}", device.why
        if device.network:
            attached = "one attachment" if device.one_attachment else "one attachment for each device"
            yield "Multus network", f"`{device.network}`, {attached}", "it brings the interfaces of the devices"
    for kind, explained in (("annotation", chosen.annotations), ("UCX", chosen.ucx), ("variable", chosen.env)):
        for key, each in explained.items():
            yield f"{kind} `{key}`", _code(each.value), each.why
    for key, (value, why) in chosen.kv_transfer.items():
        yield f"KV transfer `{key}`", _code(json.dumps(value)), why


def _rights_and_files(chosen: InfrastructureProfile) -> Iterator[tuple[str, str, str]]:
    for capability, why in chosen.capabilities.items():
        yield "capability", f"`{capability}`", why
    if chosen.node_memory:
        yield "locked memory", "limit of the nodes", chosen.node_memory
    if chosen.run_as_root:
        yield "user and group", "0", chosen.run_as_root
    for file in chosen.host_files:
        yield f"node's `{file.host_path}`", f"at `{file.mount_path}`, read-only", file.why
    for command in chosen.prelude:
        yield "before vLLM", _code(command.value), command.why


def _place_and_size(chosen: InfrastructureProfile) -> Iterator[tuple[str, str, str]]:
    for key, each in chosen.node_selector.items():
        yield f"node label `{key}`", _code(each.value), each.why
    if chosen.tolerates_gpu_taint:
        yield "toleration", "the GPU resource's name, `NoSchedule`", chosen.tolerates_gpu_taint
    if chosen.unlimited_cpu:
        yield "CPU limit", "none", chosen.unlimited_cpu
    if whole := chosen.whole_node:
        size = f"all {whole.gpus} GPUs, cpu {whole.cpu}, memory {whole.memory}, shm {whole.shm_size}"
        yield "whole node", f"{size}; 1 worker per tier, TP{whole.gpus}", whole.why
    for release, image in chosen.images.items():
        yield f"image, release {release}", _code(image.name), image.why


def _code(text: str) -> str:
    one_line = " ".join(text.split()).replace("|", "\\|")
    return f"`{one_line}`"


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` say whether it is stale; the exit code."""
    file, module = DOCS / "infrastructure.md", "components.infrastructures.page"
    return written({file: filled(file, module, page())}, module, check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
