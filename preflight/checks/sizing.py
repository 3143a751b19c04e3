"""The GPUs that nodes really have: the product that the settings name, and whether the model fits where they name none.

The vendors' labellers say it: NVIDIA's GPU feature discovery (`nvidia.com/gpu.product`), AMD's node labeller
(`amd.com/gpu.product-name`). A node without such a label is not looked at. Where the product is none that is known,
the memory counts that they say (`nvidia.com/gpu.memory`, `amd.com/gpu.vram`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from components.accelerators import PROFILES
from components.config.vocabulary import Role
from components.plan import sized
from preflight.checks.capacity import NODES
from preflight.facts import Facts
from preflight.finding import Finding, error, warning
from preflight.quantity import amounts

if TYPE_CHECKING:
    from sizing.card import Card


def check(facts: Facts) -> Iterator[Finding]:
    """Compare the nodes' GPUs with `serving.gpu`; unset, size the model for what they have."""
    about = facts.plan.settings
    found = _products(facts)
    if about.gpu_resource is not None:
        return
    if not found:
        yield from _by_memory(facts)
        return
    names = ", ".join(f"{name} ({count} nodes)" for name, count in sorted(found.items()))
    if about.gpu is not None:
        if about.gpu.value not in found:
            yield warning(
                "sizing",
                "serving.gpu",
                f"is {about.gpu}, and nodes have {names}",
                "whether the model fits was computed for another GPU",
                f"`pulumi config set --path serving.gpu {next(iter(sorted(found)))}`",
            )
        return
    if len(found) > 1:
        return  # which nodes the scheduler takes is not known
    (name,) = found
    yield from _sized(facts, PROFILES[about.accelerator].products[name], names)


def _by_memory(facts: Facts) -> Iterator[Finding]:
    """Size the model for the largest GPU, if the labels of all nodes with GPUs state the memory."""
    profile, about = PROFILES[facts.plan.settings.accelerator], facts.plan.settings
    found = [_gib(labels, profile.memory_labels) for labels in _with_gpus(facts)]
    if about.gpu is None and found and all(found):
        from sizing.card import Card  # noqa: PLC0415  (most clusters have a known product)

        memory = max(found)
        card = Card("unknown GPU", memory, {"memory": "a node label"})
        yield from _sized(facts, card, f"GPUs of at most {memory:.4g} GiB")


def _sized(facts: Facts, card: Card, names: str) -> Iterator[Finding]:
    about = facts.plan.settings
    tiers = {Role.PREFILL: facts.plan.prefill.worker, Role.DECODE: facts.plan.decode.worker}
    asked, _ = sized.assess(about, tiers, card)
    if asked is None:
        return
    for each in sized.problems(asked):
        yield error("sizing", each.path, f"{each.wrong} (nodes have {names})", each.outcome, each.change)


def _products(facts: Facts) -> Counter[str]:
    profile = PROFILES[facts.plan.settings.accelerator]
    found: Counter[str] = Counter()
    for labels in _with_gpus(facts):
        said = next((labels[key].lower() for key in profile.product_labels if key in labels), "")
        found.update(name for name, card in profile.products.items() if _is(said, card.labels))
    return found


def _with_gpus(facts: Facts) -> Iterator[Mapping[str, str]]:
    profile = PROFILES[facts.plan.settings.accelerator]
    answer = facts.asked(NODES)
    for node in answer.items if answer.ok else []:
        if amounts((node.get("status") or {}).get("allocatable")).get(profile.gpu_resource):
            yield node["metadata"].get("labels") or {}


def _gib(labels: Mapping[str, str], names: Sequence[str]) -> float:
    """Memory of a node's GPU in GiB; 0: its labels do not say."""
    said = re.fullmatch(r"(\d+)(G?)", next((labels[name] for name in names if name in labels), ""))
    return int(said[1]) / (1 if said[2] else 1024) if said else 0


def _is(said: str, beginnings: tuple[str, ...]) -> bool:
    """Whether a label names a whole GPU of a product: `NVIDIA-H200` is not `NVIDIA-H20`, and a MIG slice is neither."""
    if "-mig-" in said or said.endswith("-shared"):
        return False
    return any(said.startswith(each) and not said[len(each) : len(each) + 1].isalnum() for each in beginnings)
