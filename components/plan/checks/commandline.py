"""Flags and variables that the program itself sets."""

from collections.abc import Iterator

from components.config.problem import Hidden, Problem
from components.config.vocabulary import Role
from components.plan.context import Context
from components.releases.vllm import COUNTING_FLAGS, POSITIONAL, SET_FLAGS, SET_VARIABLES, flag_of


def check(context: Context) -> Iterator[Problem]:
    """`extraArgs` and `env` that would contradict what the program sets."""
    for role in Role:
        tier = context.tier(role)
        for index, argument in enumerate(tier.extra_args):
            yield from _argument(f"serving.{role}.extraArgs[{index}]", argument)
        for name in tier.env:
            if name in SET_VARIABLES:
                yield Problem(
                    f"serving.{role}.env.{name}",
                    Hidden(),
                    "is set by the program itself",
                    "the pod would carry the variable twice, and the last one win without a word",
                    f"delete it; what decides it: {SET_VARIABLES[name]}",
                )
        if tier.extra_args and flag_of(tier.extra_args[0]) is None:
            yield Problem(
                f"serving.{role}.extraArgs[0]",
                tier.extra_args[0],
                "is not a flag",
                "vLLM would take it for a second model and refuse to start",
                "begin with a flag: `--flag=value`",
            )


def _argument(path: str, argument: str) -> Iterator[Problem]:
    flag = flag_of(argument)
    if flag in COUNTING_FLAGS:
        yield Problem(
            path,
            argument,
            "changes how many GPUs the pod needs",
            "the pod would request tensorParallel GPUs and vLLM look for more: it would stop at start",
            "use replicas and tensorParallel of the tier",
        )
    elif flag == POSITIONAL:
        yield Problem(
            path, argument, "is set by the program itself", "vLLM would be told two models", "use serving.model.name"
        )
    elif flag is not None and (ours := _meant(flag)):
        yield Problem(
            path,
            argument,
            "is set by the program itself",
            "vLLM would take the last of the two, and probes, ports or the picker go by the other",
            f"delete it; what decides it: {SET_FLAGS[ours]}",
        )


def _meant(flag: str) -> str | None:
    """The flag of ours that `flag` is, or is an unambiguous beginning of, as argparse reads abbreviations."""
    begun = [known for known in SET_FLAGS if known.startswith(flag)]
    return flag if flag in begun else begun[0] if len(begun) == 1 else None
