"""Flags and variables that the program itself sets, or that take away what the rest of the stack needs."""

import json
import re
from collections.abc import Iterator, Sequence

from components.config.problem import Hidden, Problem
from components.config.vocabulary import Role
from components.plan.context import Context
from components.plan.worker_args import ResolvedTier
from components.plan.workers import Tiers
from components.releases import vllm

REMEDIES = {
    **dict.fromkeys(
        ("--api-key", vllm.API_KEY_VARIABLE),
        "delete it, put the key into a Secret, and `pulumi config set --path serving.security.apiKey.secret` its name",
    ),
    **dict.fromkeys(
        ("--ssl-certfile", "--ssl-keyfile"),
        "delete it; TLS of clients ends at the Gateway (serving.gateway.tls, docs/security.md)",
    ),
}


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """`extraArgs` and `env` that would contradict what the program sets, or that break what depends on vLLM."""
    for role in Role:
        tier = context.tier(role)
        for flag in vllm.flags_of(tier.extra_args):
            yield from _argument(f"serving.{role}.extraArgs[{flag.place}]", tier.extra_args[flag.place], flag)
        yield from _variables(context, tiers[role])
        if tier.extra_args and vllm.flag_of(tier.extra_args[0]) is None:
            yield Problem(
                f"serving.{role}.extraArgs[0]",
                tier.extra_args[0],
                "is not a flag",
                "vLLM would take it for a second model and refuse to start",
                "begin with a flag: `--flag=value`",
            )


def notes(context: Context) -> Iterator[str]:
    """Variables that do not do what they say, and values that only vLLM reads."""
    for role in Role:
        yield from _said_of_arguments(role, context.tier(role).extra_args)
        yield from _said_of_variables(context, role)


def _said_of_arguments(role: Role, arguments: Sequence[str]) -> Iterator[str]:
    for flag in vllm.flags_of(arguments):
        if flag.name == vllm.CONFIG_FLAG:
            yield (
                f"serving.{role}.extraArgs[{flag.place}]: what is in {flag.value} is not checked; a flag there "
                "that the program does not set itself counts, such as an API key, TLS or --disable-log-stats"
            )
        elif flag.name in vllm.UNTOKENIZED_FLAGS:
            yield (
                f"serving.{role}.extraArgs[{flag.place}]: vLLM has no tokenizer with {flag.name}, so it answers "
                "chat requests and prompts of text with an error; only prompts of tokens are served"
            )
    for index, argument in enumerate(arguments):
        word = argument if vllm.flag_of(argument) is None else argument.partition("=")[2]
        if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"":
            yield (
                f"serving.{role}.extraArgs[{index}]: the quotes around {word[1:-1]} reach vLLM as a part of the "
                "value, because no shell takes them off: delete them"
            )


def _said_of_variables(context: Context, role: Role) -> Iterator[str]:
    for name in context.tier(role).references:
        if name == vllm.CACHE_VARIABLE:
            yield (
                f"serving.{role}.env.{name}: its value is not known here; where no volume is mounted at it, the "
                "weights are downloaded to the container's layer, again after each restart"
            )
        elif name in context.accelerator.visible_devices:
            yield (
                f"serving.{role}.env.{name}: its value is not known here; vLLM stops at start where it shows fewer "
                f"GPUs than serving.{role}.tensorParallel"
            )
    for name, value in context.tier(role).env.items():
        path = f"serving.{role}.env.{name}"
        read = name == vllm.ATTENTION_VARIABLE and context.release.attention_variable
        if name in vllm.MISLEADING_VARIABLES and not read:
            yield f"{path}: {vllm.MISLEADING_VARIABLES[name]}"
        elif name in vllm.EXPOSING_VARIABLES and value != "0":
            yield f"{path}: {vllm.EXPOSING_VARIABLES[name]}"
        elif name == "UCX_PROTO_ENABLE" and str(value).lower() in ("n", "no", "0", "false", "off"):
            yield (
                f"{path} switches off UCX's protocols of today, which NIXL needs (vllm-project/vllm#32379): "
                "transfers would fail or take a slower way; delete it"
            )


def _variables(context: Context, tier: ResolvedTier) -> Iterator[Problem]:
    role, env, used = tier.role, context.tier(tier.role).env, tier.tensor_parallel
    for name in env:
        if name in vllm.SET_VARIABLES:
            yield Problem(
                f"serving.{role}.env.{name}",
                Hidden(),
                "is set by the program itself",
                "the pod would carry the variable twice, and the last one win silently",
                f"delete it; what decides it: {vllm.SET_VARIABLES[name]}",
            )
        elif name in vllm.BREAKING_VARIABLES:
            yield Problem(
                f"serving.{role}.env.{name}",
                Hidden(),
                "takes away what the rest of the stack needs from vLLM",
                vllm.BREAKING_VARIABLES[name],
                REMEDIES.get(name, "delete it"),
            )
        elif name in context.accelerator.visible_devices:
            written = context.tier(role).variables.get(name)
            seen = [each for each in (written or "").split(",") if each.strip() not in ("", "-1")]
            if written is not None and len(seen) < used:
                yield Problem(
                    f"serving.{role}.env.{name}",
                    written,
                    f"shows vLLM {len(seen)} GPUs, and serving.{role}.tensorParallel is {used}",
                    "vLLM would stop at start: its tensor parallel size is larger than the number of GPUs that it sees",
                    "delete it: the device plugin gives a pod its own GPUs and no others",
                )


def _argument(path: str, argument: str, given: vllm.Flag) -> Iterator[Problem]:
    flag = given.name
    if joined := re.match(r"(--?[\w.-]+)\s+(.*)", argument):
        name, value = joined.groups()
        secret = vllm.flag_of(name) == "--api-key"
        yield Problem(
            path,
            Hidden() if secret else argument,
            "is a flag and a blank in one argument",
            "no shell splits it: vLLM would take it for one argument that it does not know, and stop",
            f'write two: ["{name}", {"…" if secret else json.dumps(value)}]' if value else f'write "{name}"',
        )
    elif flag in vllm.BREAKING_FLAGS or (flag == vllm.SERVERS_FLAG and given.value == "0"):
        breaking = flag if flag in vllm.BREAKING_FLAGS else "--headless"
        yield Problem(
            path,
            Hidden() if breaking == "--api-key" else argument,
            "takes away what the rest of the stack needs from vLLM",
            vllm.BREAKING_FLAGS[breaking],
            REMEDIES.get(breaking, "delete it"),
        )
    elif flag == vllm.HOST_FLAG and given.value not in vllm.EVERY_ADDRESS:
        yield Problem(
            path,
            argument,
            "is not every address of the pod",
            "vLLM would not answer on the address that the probes, the endpoint picker and the other tier use: no pod "
            "would become Ready",
            "delete it, or use 0.0.0.0, or :: for IPv6",
        )
    elif flag == vllm.CONFIG_FLAG and "=" in argument:
        yield Problem(
            path,
            argument,
            "is one argument, and vLLM 0.17 reads a configuration file where --config and the path are two arguments",
            "vLLM would ignore the file",
            f'write two: ["--config", "{given.value}"]',
        )
    elif flag in vllm.COUNTING_FLAGS and given.value != "1":
        yield Problem(
            path,
            argument,
            "changes how many GPUs the pod needs",
            "the pod would request tensorParallel GPUs and vLLM look for more: it would stop at start",
            "use replicas and tensorParallel of the tier",
        )
    elif flag == vllm.POSITIONAL:
        yield Problem(
            path, argument, "is set by the program itself", "vLLM would get two models", "use serving.model.name"
        )
    elif flag in vllm.SET_FLAGS:
        yield Problem(
            path,
            argument,
            "is set by the program itself",
            "vLLM would take the last of the two, and probes, ports or the picker go by the other",
            f"delete it; what decides it: {vllm.SET_FLAGS[flag]}",
        )
