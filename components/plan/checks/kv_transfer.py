"""Connectors and roles of the tiers' KV transfer."""

from collections.abc import Iterator

from components.config.problem import Problem
from components.config.vocabulary import Role
from components.plan import fabric
from components.plan.context import Context
from components.plan.workers import Tiers

ROLES = ("kv_producer", "kv_consumer", fabric.BOTH)
"""Values of `kv_role` (vllm/config/kv_transfer.py, `KVRole`)."""

OPPOSITE = {Role.PREFILL: "kv_consumer", Role.DECODE: "kv_producer"}
"""The role of the other tier."""


def check(context: Context) -> Iterator[Problem]:
    """Fields of `--kv-transfer-config` that have a setting of their own, and roles that vLLM does not know."""
    scopes = {"serving.kvTransfer": context.settings.kv_transfer}
    scopes |= {f"serving.{role}.kvTransfer": context.tier(role).kv_transfer for role in Role}
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
        if role is not None and path == "serving.kvTransfer" and role != fabric.BOTH:
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


def notes(tiers: Tiers) -> Iterator[str]:
    """Roles that are the wrong way round."""
    for role, tier in tiers.items():
        if tier.kv_transfer["kv_role"] == OPPOSITE[role]:
            yield (
                f"serving.{role}.kvTransfer.extra.kv_role: {OPPOSITE[role]} is the role of the other tier; "
                "NixlConnector of vLLM 0.11 to 0.17 takes every role alike, other connectors and newer ones do not"
            )
