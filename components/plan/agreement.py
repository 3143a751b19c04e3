"""What both tiers must agree on, because vLLM's NixlConnector compares it at the first transfer.

Source: vllm-project/vllm v0.17.1, vllm/distributed/kv_transfer/kv_connector/v1/nixl_connector.py,
`compute_nixl_compatibility_hash`: vLLM's version, model, dtype, KV cache dtype, attention backend. vLLM 0.11.2 compares
no hash.
"""

from collections.abc import Iterator
from typing import NamedTuple

from components.config.vocabulary import Role
from components.plan import fabric
from components.plan.context import Context
from components.plan.worker_args import ResolvedTier
from components.plan.workers import OTHER, Tiers
from components.releases.vllm import COMPARED_FLAGS, copied, flags_of

_SAME = {"half": "float16", "float": "float32", "fp8": "fp8_e4m3"}
"""Two words of vLLM for one type (vllm/config/model.py, vllm/config/cache.py)."""

_OPEN = ("", "auto")
"""What vLLM decides by itself: whether it comes to the other tier's value is not known here."""


class Difference(NamedTuple):
    """Something in which the tiers differ."""

    path: str
    """Setting of the tier that says it."""
    value: str
    wrong: str
    """How the tiers differ; a whole sentence after the path."""
    proven: bool
    """Whether the tiers cannot exchange KV blocks; otherwise that depends on the model or the image."""


def differences(context: Context, tiers: Tiers) -> Iterator[Difference]:
    """In what the tiers differ that NixlConnector compares."""
    settings = context.settings
    if settings.kv_transfer.connector != fabric.NIXL:
        return
    images = {role: tier.image.name for role, tier in tiers.items()}
    if len({*map(copied, images.values())}) > 1:
        role = Role.PREFILL if settings.prefill.image else Role.DECODE
        yield Difference(
            f"serving.{role}.image",
            images[role],
            f"differs from the {OTHER[role]} tier's image ({images[OTHER[role]]}), and NIXL refuses transfers "
            "between two versions of vLLM",
            proven=False,
        )
    for flag, default in COMPARED_FLAGS.items():
        given = {role: _last(tier, flag) for role, tier in tiers.items()}
        values = {role: _SAME.get(one[1], one[1]) if one else default for role, one in given.items()}
        if values[Role.PREFILL] == values[Role.DECODE]:
            continue
        role, (index, _) = next((role, one) for role, one in given.items() if one)
        theirs = values[OTHER[role]]
        yield Difference(
            f"serving.{role}.extraArgs[{index}]",
            tiers[role].extra_args[index],
            f"sets {flag} to {values[role]}, and the {OTHER[role]} tier "
            + (f"has {theirs}" if theirs not in _OPEN else "leaves it to vLLM"),
            proven=not {*values.values()} & {*_OPEN},
        )


def _last(tier: ResolvedTier, flag: str) -> tuple[int, str] | None:
    """Place and value of a tier's flag; vLLM takes the last of several."""
    found = [(one.place, one.value or "") for one in flags_of(tier.extra_args) if one.name == flag]
    return found[-1] if found else None
