"""Connectors and roles of the tiers' KV transfer."""

from collections.abc import Iterator, Mapping

from components.config.problem import Problem
from components.config.tiers import KvTransfer
from components.config.vocabulary import Accelerator, Role
from components.plan import fabric
from components.plan.context import Context
from components.plan.workers import Tiers
from components.releases.release import BOTH

ROLES = ("kv_producer", "kv_consumer", BOTH)
"""Values of `kv_role` (vllm/config/kv_transfer.py, `KVRole`)."""

OPPOSITE = {Role.PREFILL: "kv_consumer", Role.DECODE: "kv_producer"}


def check(context: Context) -> Iterator[Problem]:
    """Fields of `--kv-transfer-config` that have a setting of their own, and roles that vLLM does not know."""
    scopes = {"serving.kvTransfer": context.settings.kv_transfer}
    scopes |= {f"serving.{role}.kvTransfer": context.tier(role).kv_transfer for role in Role}
    connectors = {role: fabric.kv_transfer(context, role)["kv_connector"] for role in Role}
    yield from _of_nixl(scopes, connectors)
    yield from _moriio(context, connectors)
    for path, transfer in scopes.items():
        role = transfer.extra.get("kv_role")
        if "kv_connector" in transfer.extra:
            yield Problem(
                f"{path}.extra.kv_connector",
                transfer.extra["kv_connector"],
                "is set by the program itself",
                "prefill and decode could end up with connectors that do not speak to each other",
                f"use {path}.connector",
            )
        if role is not None and path == "serving.kvTransfer" and role != BOTH:
            yield Problem(
                f"{path}.extra.kv_role",
                role,
                "would be the role of both tiers",
                "no worker would be the other end of a transfer",
                "set serving.prefill.kvTransfer.extra.kv_role: kv_producer and "
                "serving.decode.kvTransfer.extra.kv_role: kv_consumer",
            )
        elif role is not None and role not in ROLES:
            yield Problem(
                f"{path}.extra.kv_role",
                role,
                f"is none of {', '.join(ROLES)}",
                "vLLM would stop at start",
                "write one of them",
            )


def _of_nixl(scopes: Mapping[str, KvTransfer], connectors: Mapping[Role, str]) -> Iterator[Problem]:
    for path, transfer in scopes.items():
        own = [role for role in Role if path in ("serving.kvTransfer", f"serving.{role}.kvTransfer")]
        named = {connectors[role] for role in own}
        for field, value in (("leaseSeconds", transfer.lease_seconds), ("backends", transfer.backends)):
            if value and fabric.NIXL not in named:
                yield Problem(
                    f"{path}.{field}",
                    str(value),
                    f"is a setting of {fabric.NIXL}, and the connector is {', '.join(sorted(named))}",
                    "it would be ignored silently",
                    "write it in extra, where that connector wants it",
                )


def _moriio(context: Context, connectors: Mapping[Role, str]) -> Iterator[Problem]:
    """MoRI-IO on one side only, or without its library."""
    using = [role for role, each in connectors.items() if each == fabric.MORIIO]
    if not using:
        return
    if len(using) < len(Role):
        path = fabric.kv_transfer_setting(context, using[0], "kv_connector")
        yield Problem(
            path,
            fabric.MORIIO,
            f"is the connector of the {using[0]} tier only",
            "no KV block would be transferred: the two tiers would not speak to each other",
            "set serving.kvTransfer.connector for both",
        )
    if context.settings.accelerator is not Accelerator.AMD and not context.own_images:
        yield Problem(
            fabric.kv_transfer_setting(context, using[0], "kv_connector"),
            fabric.MORIIO,
            f"is AMD's, and serving.accelerator is {context.settings.accelerator}",
            "vLLM would stop at start: its image has no MoRI",
            "leave it out",
        )


def notes(tiers: Tiers) -> Iterator[str]:
    """Roles that are the wrong way round, and tiers that MoRI-IO may not connect."""
    both = [tiers[role].tensor_parallel for role in Role if tiers[role].kv_transfer["kv_connector"] == fabric.MORIIO]
    if len({*both}) > 1:
        yield (
            f"serving.kvTransfer.connector: {fabric.MORIIO} has one tensor parallelism for both tiers "
            f"(--moriio-tp-size), and they have {both[0]} and {both[1]}: the guide has equal ones"
        )
    for role, tier in tiers.items():
        if tier.kv_transfer["kv_role"] == OPPOSITE[role]:
            yield (
                f"serving.{role}.kvTransfer.extra.kv_role: {OPPOSITE[role]} is the role of the other tier; "
                "NixlConnector of vLLM 0.11 to 0.17 takes every role alike, other connectors and newer ones do not"
            )
