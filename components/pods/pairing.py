"""What a prefill and a decode worker must have alike, and whether a run changes it.

A worker with the old value and one with the new cannot exchange KV blocks, because NIXL's handshake fails. With vLLM
0.11 to 0.19 a failed handshake ends the decode worker; with newer vLLM it fails the request or makes decode compute the
prompt. A tier that is rolled has old and new workers, so such a change replaces the tier.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from components.accelerators import PROFILES
from components.config.vocabulary import Role
from components.plan import ServingPlan
from components.plan.worker_args import ResolvedTier
from components.pods import vllm
from components.releases.vllm import PAIR_FLAGS, PAIR_TRANSFER_IGNORED, PAIR_VARIABLES, copied, flag_of

VARIABLES = (*PAIR_VARIABLES, *(name for each in PROFILES.values() for name in each.pair_variables))
"""Variables that workers must have alike, of every accelerator: the state may be from another one."""


@dataclass(frozen=True)
class Change:
    """A field of a tier that old and new workers would differ in."""

    role: Role
    field: str
    """`image`, `model`, a flag or a variable."""
    before: str
    """Its value in the state; empty: unset."""
    after: str
    """Its value in this run; empty: unset."""


def changes(plan: ServingPlan, inputs: Mapping[str, Mapping[str, Any]]) -> list[Change]:
    """The fields that this run changes; `inputs` are those of the stack's objects before it, by `Kind/namespace/name`.

    A tier that the state does not have changes nothing.
    """
    return [
        change
        for tier in (plan.prefill, plan.decode)
        for change in _changed(tier.worker, inputs.get(f"Deployment/{tier.worker.namespace}/{tier.worker.name}") or {})
    ]


def replacing(plan: ServingPlan, changed: Sequence[Change]) -> ServingPlan:
    """The plan in which the tiers with a change are replaced."""
    roles = {each.role for each in changed}

    def tier(args: Any) -> Any:
        rollout = args.worker.rollout.model_copy(update={"replaced": args.worker.role in roles})
        return args.model_copy(update={"worker": args.worker.model_copy(update={"rollout": rollout})})

    return replace(plan, prefill=tier(plan.prefill), decode=tier(plan.decode))


def _changed(worker: ResolvedTier, former: Mapping[str, Any]) -> Iterator[Change]:
    containers = (((former.get("spec") or {}).get("template") or {}).get("spec") or {}).get("containers") or []
    for each in containers:
        if each.get("name") == "vllm":
            variables = {one["name"]: str(one.get("value") or "") for one in each.get("env") or []}
            before = _fields(str(each.get("image")), each.get("args") or [], variables)
            after = _fields(worker.image.name, vllm.arguments(worker), worker.env)
            for field in sorted(before.keys() | after.keys()):
                if (old := before.get(field, "")) != (new := after.get(field, "")):
                    yield Change(worker.role, field, old, new)


def _fields(image: str, arguments: Sequence[str], variables: Mapping[str, str]) -> dict[str, str]:
    """The fields that two workers must have alike, of one command line and environment."""
    return {
        "image": copied(image),
        "model": " ".join(arguments[:1]),
        **_flags(arguments[1:]),
        **{name: variables[name] for name in VARIABLES if name in variables},
    }


def _flags(arguments: Sequence[str]) -> dict[str, str]:
    """Values of the flags of `PAIR_FLAGS`, alike for `--flag=value` and `--flag value`."""
    found: dict[str, list[str]] = {}
    flag: str | None = None
    for argument in arguments:
        value = argument
        if named := flag_of(argument):
            flag = named
            name, _, value = argument.partition("=")
            if field := name.partition(".")[2]:
                value = f"{field}={value}"
        if flag in PAIR_FLAGS and value:
            found.setdefault(flag, []).append(_transfer(value) if flag == "--kv-transfer-config" else value)
    return {flag: " ".join(values) for flag, values in found.items()}


def _transfer(text: str) -> str:
    """`--kv-transfer-config` without the fields in which two workers may differ."""
    kept = {key: value for key, value in json.loads(text).items() if key not in PAIR_TRANSFER_IGNORED}
    return json.dumps(kept, sort_keys=True)
