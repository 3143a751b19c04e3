"""Whether the model fits the GPUs, and the workers the load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.config.problem import Problem
from components.plan import sized
from components.plan.context import Context
from components.plan.workers import Tiers

if TYPE_CHECKING:
    from sizing.source import Located
    from sizing.verdict import Question


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """A GPU of another vendor, and what is proven not to fit."""
    gpu = context.settings.gpu
    if gpu is None:
        return
    known = sized.products(context.settings.accelerator)
    if gpu.value not in known:
        yield Problem(
            "serving.gpu",
            gpu.value,
            f"is no GPU of serving.accelerator: {context.settings.accelerator}",
            "the model would be sized for GPUs that its workers do not ask for",
            f"use one of {', '.join(known)}",
        )
        return
    asked, _ = sized.assess(sized.inputs(context), tiers)
    if asked is not None:
        yield from sized.problems(asked)


def notes(context: Context, asked: Question | None, located: Located | None) -> Iterator[str]:
    """What is likely not to fit, or to be slower than the load asks for, of the question that `sized.assess` made."""
    settings = context.settings
    if settings.gpu is None:
        if settings.load is not None:
            yield "serving.load is not compared with anything: set serving.gpu to the product of the nodes' GPUs"
        return
    if settings.gpu_resource is not None:
        yield f"serving.gpu: the model is not sized, a {settings.gpu_resource} may be a part of a GPU"
        return
    yield from sized.suspicions(asked, located, sized.inputs(context).storage)
