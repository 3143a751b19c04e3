"""What both tiers must agree on, because vLLM's NixlConnector compares it at the first transfer.

Source: vllm-project/vllm v0.17.1, vllm/distributed/kv_transfer/kv_connector/v1/nixl_connector.py:
`compute_nixl_compatibility_hash` (vLLM's version, model, dtype, attention backend, KV cache dtype as the word that was
given) and `_validate_remote_agent_handshake` (KV layout, size of a block, number of KV regions). vLLM 0.11.2 has no
hash, and `enforce_handshake_compat: false` switches it off. This module also compares what neither function compares
but what makes answers wrong: overrides of the model's configuration, and its revision.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from components.config.problem import Problem
from components.config.vocabulary import Role
from components.plan import fabric
from components.plan.context import Context
from components.plan.worker_args import ResolvedTier
from components.plan.workers import OTHER, Tiers
from components.releases.vllm import (
    ATTENTION_VARIABLE,
    LAYOUT_VARIABLE,
    PAIR_VARIABLES,
    SPECULATIVE_FLAG,
    copied,
    own_attention_backend,
    value_of,
)

_ONE_TYPE = {"half": "float16", "float": "float32"}
"""Two words of vLLM that it reads as one type before it compares (vllm/config/model.py)."""

_ONE_KV_TYPE = {**_ONE_TYPE, "fp8": "fp8_e4m3"}
"""Two words for one type of the KV cache. The hash contains the word, so that it differs (vllm/config/cache.py)."""

_OPEN = ("", "auto")
"""Values that leave the choice to vLLM. Whether vLLM chooses the other tier's value is unknown here."""

_WITHOUT_KV_CACHE = ("ngram", "suffix", "medusa", "mlp_speculator")
"""Methods of speculative decoding with a proposer that has no KV cache (vllm/v1/spec_decode, vLLM 0.17.1)."""

_ANOTHER_MODEL = {
    "--hf-overrides": "the handshake does not compare it, and decode would use KV blocks of another configuration",
    "--revision": "the handshake does not compare it, and decode would use KV blocks of other weights",
}
"""Flags that change the model but not its name, each with the outcome of a difference."""


class Difference(NamedTuple):
    """Something in which the tiers differ."""

    path: str
    value: str
    wrong: str
    """How the tiers differ; a whole sentence after the path."""
    proven: bool
    """Whether the tiers cannot exchange KV blocks; otherwise that depends on the model or the image."""
    outcome: str = "where the handshake fails, a decode worker with vLLM 0.17 ends"
    refused: str = (
        "no KV block would be transferred: the handshake fails, and vLLM 0.17 of a decode worker ends with it. "
        "Without its check, KV blocks would be read as another type"
    )
    """What would happen, where it is proven."""


class _Said(NamedTuple):
    path: str
    """Setting that says it; empty: none does."""
    argument: str
    """The setting's value, as it stands there."""
    value: str
    """What is compared; empty: nothing is said."""


_NOTHING = _Said("", "", "")


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """Differences between the tiers that NIXL refuses whatever the model is."""
    for each in differences(context, tiers):
        if each.proven:
            yield Problem(each.path, each.value, each.wrong, each.refused, "give both tiers the same value")


def notes(context: Context, tiers: Tiers) -> Iterator[str]:
    """Differences between the tiers that matter with some models or images."""
    for each in differences(context, tiers):
        if not each.proven:
            yield f"{each.path} {each.wrong}: {each.outcome}"


def differences(context: Context, tiers: Tiers) -> Iterator[Difference]:
    """Differences between the tiers that NixlConnector compares, or that make answers wrong."""
    connectors = {role: fabric.nixl(tier.kv_transfer) for role, tier in tiers.items()}
    prefill, decode = connectors[Role.PREFILL], connectors[Role.DECODE]
    if prefill is None or decode is None:
        if prefill is not decode:
            yield _one_connector(context, tiers)
        return
    yield from _transfers(context, prefill, decode)
    compare = fabric.connector_config(decode).get("enforce_handshake_compat", True)
    hashed = context.release.handshake_hash and compare
    attention = partial(_attention, context)
    if hashed:
        yield from _images(context, tiers)
        yield from _compared(tiers, "the attention backend", attention)
    words = _ONE_TYPE if hashed else _ONE_KV_TYPE
    yield from _compared(tiers, "--kv-cache-dtype", partial(_flag, flag="--kv-cache-dtype", words=words))
    yield from _compared(tiers, "--dtype", partial(_flag, flag="--dtype", words=_ONE_TYPE))
    if not hashed:
        yield from _compared(tiers, "the attention backend", attention, proving=False)
    yield from _compared(tiers, SPECULATIVE_FLAG, _speculation, unset="has none", proving=False)
    for flag, outcome in _ANOTHER_MODEL.items():
        for each in _compared(tiers, flag, partial(_flag, flag=flag), unset="has none"):
            yield each._replace(proven=False, outcome=outcome)
    for name in (*PAIR_VARIABLES, *context.accelerator.pair_variables):
        permuted = name == LAYOUT_VARIABLE and decode.get("enable_permute_local_kv")
        if name != ATTENTION_VARIABLE and not permuted:
            yield from _compared(tiers, name, partial(_variable, context, name=name), proving=False)


def _one_connector(context: Context, tiers: Tiers) -> Difference:
    """NIXL on one side only."""
    role = next(role for role in Role if fabric.nixl(tiers[role].kv_transfer) is None)
    transfer = tiers[role].kv_transfer
    unknown = context.tier(role).image or "kv_connector_module_path" in transfer
    return Difference(
        fabric.kv_transfer_setting(context, role, "kv_connector"),
        transfer["kv_connector"],
        f"has no {fabric.NIXL}, and the {OTHER[role]} tier has",
        proven=not unknown,
        outcome="unless this one speaks NIXL's protocol, decode workers compute every prompt",
        refused="no KV block would be transferred: decode workers would compute every prompt",
    )


def _transfers(context: Context, prefill: Mapping[str, Any], decode: Mapping[str, Any]) -> Iterator[Difference]:
    """Fields of NixlConnector in which both ends of a transfer must be alike."""
    both = (prefill, decode)
    values = {
        "kv_buffer_device": [each.get("kv_buffer_device", fabric.DEFAULT_BUFFER) for each in both],
        "kv_connector_extra_config": [fabric.connector_config(each).get("backends", [fabric.UCX]) for each in both],
    }
    for field, (one, other) in values.items():
        if one != other:
            what = "backends" if field == "kv_connector_extra_config" else field
            paths = {role: fabric.kv_transfer_setting(context, role, field) for role in Role}
            role = next((role for role, path in paths.items() if path.startswith(f"serving.{role}.")), Role.PREFILL)
            yield Difference(
                paths[role],
                str(one if role is Role.PREFILL else other),
                f"gives NIXL {what} {one} in prefill and {other} in decode",
                proven=False,
                outcome="where NIXL has no common way between them, transfers fail, and a decode worker with vLLM 0.17 "
                "ends",
            )


def _images(context: Context, tiers: Tiers) -> Iterator[Difference]:
    images = {role: tier.image.name for role, tier in tiers.items()}
    if len({*map(copied, images.values())}) > 1:
        role = Role.PREFILL if context.settings.prefill.image else Role.DECODE
        yield Difference(
            f"serving.{role}.image",
            images[role],
            f"differs from the {OTHER[role]} tier's image ({images[OTHER[role]]}), and NIXL refuses transfers "
            "between two versions of vLLM",
            proven=False,
        )


def _compared(
    tiers: Tiers,
    what: str,
    read: Callable[[ResolvedTier], _Said],
    *,
    unset: str = "leaves it to vLLM",
    proving: bool = True,
) -> Iterator[Difference]:
    """The difference between two values of the tiers, if any; `proving`: two given values cannot work together."""
    said: dict[Role, _Said] = {role: read(tier) for role, tier in tiers.items()}
    if said[Role.PREFILL].value == said[Role.DECODE].value:
        return
    role, own = next((role, each) for role, each in said.items() if each.path)
    other = said[OTHER[role]].value
    yield Difference(
        own.path,
        own.argument,
        f"sets {what} to {own.value}, and the {OTHER[role]} tier " + (f"has {other}" if other not in _OPEN else unset),
        proven=proving and own.value not in _OPEN and other not in _OPEN,
    )


def _flag(tier: ResolvedTier, *, flag: str, words: Mapping[str, str] = MappingProxyType({})) -> _Said:
    found = value_of(tier.extra_args, flag)
    if found is None:
        return _NOTHING
    place, given = found
    text = given if isinstance(given, str) else json.dumps(given, sort_keys=True)
    return _Said(f"serving.{tier.role}.extraArgs[{place}]", tier.extra_args[place], words.get(text, text))


def _speculation(tier: ResolvedTier) -> _Said:
    found = value_of(tier.extra_args, SPECULATIVE_FLAG)
    own = found and isinstance(found[1], dict) and found[1].get("method") in _WITHOUT_KV_CACHE
    return _NOTHING if own else _flag(tier, flag=SPECULATIVE_FLAG)


def _attention(context: Context, tier: ResolvedTier) -> _Said:
    """The attention backend: by flag, by JSON, by variable where vLLM still reads it; else what the program sets."""
    if found := own_attention_backend(tier.extra_args):
        place, name = found
        return _Said(f"serving.{tier.role}.extraArgs[{place}]", tier.extra_args[place], name.upper())
    if context.release.attention_variable and ATTENTION_VARIABLE in tier.env:
        return _variable(context, tier, name=ATTENTION_VARIABLE)
    return _Said("", "", tier.attention_backend or "")


def _variable(context: Context, tier: ResolvedTier, *, name: str) -> _Said:
    """A variable of the tier, without a path if infrastructure or accelerator sets it, because that is no setting."""
    value, own = tier.env.get(name, ""), name in context.tier(tier.role).env
    if elsewhere := tier.references.get(name):
        value = f"the key {elsewhere.key} of {elsewhere.secret or elsewhere.config_map}"
    return _Said(f"serving.{tier.role}.env.{name}" if own else "", value, value)
