"""Sizing of a stack: turns its settings and tiers into a question to `sizing`, and the answer into problems and notes.

`sizing` is imported inside the functions, because the import costs time, and previews without a GPU product need none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.accelerators import PROFILES
from components.config.load import Load
from components.config.problem import Problem
from components.config.settings import Serving
from components.config.vocabulary import Role
from components.plan.context import Context
from components.plan.worker_args import ResolvedTier
from components.plan.workers import Tiers, downloads
from components.quantity import amount
from components.releases import RELEASES
from components.releases.vllm import flags_of, value_of

if TYPE_CHECKING:
    from sizing.card import Card
    from sizing.flags import Flags
    from sizing.host import Host
    from sizing.source import Located
    from sizing.verdict import Question

ROOT = Path(__file__).resolve().parents[2]
"""The repository, where `serving.model.shape` is looked for."""

OPAQUE = (
    "--config",
    "--cpu-offload-gb",
    "--enable-lora",
    "--hf-config-path",
    "--hf-overrides",
    "--load-format",
    "--model-impl",
    "--num-gpu-blocks-override",
    "--speculative-config",
)
"""Flags that change memory in ways that are not computed. Sizing refuses no tier with one of them."""

TEXT_ONLY = ("--language-model-only", "--limit-mm-per-prompt")


def assess(
    settings: Serving, tiers: Mapping[Role, ResolvedTier], card: Card | None = None
) -> tuple[Question | None, Located | None]:
    """The question that a stack asks for a GPU product; None: the product or the shape is unknown."""
    products = PROFILES[settings.accelerator].products
    card = card or products.get(settings.gpu.value if settings.gpu else "")
    if card is None or settings.gpu_resource is not None:
        return None, None
    from sizing import source, verdict  # noqa: PLC0415
    from sizing.engine import engine  # noqa: PLC0415
    from sizing.shape import Shape  # noqa: PLC0415
    from sizing.transfer import Path as Way  # noqa: PLC0415

    located = source.locate(settings.model.name, settings.model.shape, ROOT)
    if not isinstance(located.shape, Shape):
        return None, located
    own_images = {Role.PREFILL: settings.prefill.image, Role.DECODE: settings.decode.image}
    workers = {
        role.value: verdict.Workers(_flags(tier), tier.replicas, not own_images[role] and _certain(tier), _host(tier))
        for role, tier in tiers.items()
    }
    rdma = all(tier.rdma for tier in tiers.values())
    asked = verdict.Question(
        located.shape,
        card,
        engine(RELEASES[settings.release].vllm),
        workers,
        Way.RDMA if rdma else Way.TCP,
        _load(settings.load) if settings.load else None,
        certain=not located.guessed,
        others=tuple(products.values()),
    )
    return asked, located


def problems(asked: Question) -> Iterator[Problem]:
    """Problems for faults that are proven."""
    from sizing import verdict  # noqa: PLC0415

    for each in verdict.in_memory(asked):
        if each.proven:
            yield Problem(f"serving.{each.path}", each.value, each.wrong, each.outcome, each.change)


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """A GPU of another vendor, and what is proven not to fit."""
    gpu, known = context.settings.gpu, context.accelerator.products
    if gpu is None:
        return
    if gpu.value not in known:
        yield Problem(
            "serving.gpu",
            gpu.value,
            f"is no GPU of serving.accelerator: {context.settings.accelerator}",
            "the model would be sized for GPUs that its workers do not ask for",
            f"use one of {', '.join(known)}",
        )
        return
    asked, _ = assess(context.settings, tiers)
    if asked is not None:
        yield from problems(asked)


def notes(context: Context, tiers: Tiers, asked: Question | None, located: Located | None) -> Iterator[str]:
    """What is likely not to fit, or to be slower than the load asks for, of the question that `assess` made."""
    settings = context.settings
    if settings.gpu is None or settings.gpu_resource is not None:
        yield from _undivided(context, tiers)
    if settings.gpu is None:
        if settings.load is not None:
            yield "serving.load is not compared with anything: set serving.gpu to the product of the nodes' GPUs"
    elif settings.gpu_resource is not None:
        yield f"serving.gpu: the model is not sized, a {settings.gpu_resource} may be a part of a GPU"
    elif located is not None and asked is None:
        yield (
            f"serving.gpu: the model is not sized, its shape is {located.shape}; set serving.model.shape to its "
            "config.json (`python -m sizing --fetch` writes it)"
        )
    elif located is not None and asked is not None:
        yield from _suspicions(context, asked, located)


def _undivided(context: Context, tiers: Tiers) -> Iterator[str]:
    """Tensor parallelism that vLLM refuses for the model (`verify_with_parallel_config` of vllm/config/model.py)."""
    wide = {role: tier.tensor_parallel for role, tier in tiers.items() if tier.tensor_parallel > 1}
    if not wide:
        return
    from sizing import source  # noqa: PLC0415

    model = context.settings.model
    found = source.find(model.name, model.shape, ROOT)
    for role, ranks in wide.items() if found.heads else ():
        if found.heads % ranks:
            yield (
                f"serving.{role}.tensorParallel: {ranks} does not divide the {found.heads} attention heads of "
                f"{model.name} (config.json: {found.origin}), so vLLM would stop at start; use a divisor of "
                f"{found.heads}, or set serving.model.shape if the model has another config.json"
            )


def _suspicions(context: Context, asked: Question, located: Located) -> Iterator[str]:
    from sizing import verdict  # noqa: PLC0415

    if located.guessed:
        yield f"serving.gpu: {located.guessed}, guessed from its name; set serving.model.shape to its config.json"
    for each in verdict.findings(asked):
        if not each.proven:
            yield f"serving.{each.path} {each.wrong}: {each.outcome}; {each.change}"
    weights = sum(
        part.parameters * asked.shape.quantization.bytes_of(part.part, asked.shape.dtype)
        for part in asked.shape.tensors
    )
    storage = float(amount(context.settings.model.storage))
    if weights > storage and any(downloads(context, context.tier(role)) for role in Role):
        yield (
            f"serving.model.storage is {storage / 2**30:.0f} GiB, and the weights have {weights / 2**30:.0f}: the "
            "kubelet would evict each worker while it downloads them"
        )


def _load(load: Load) -> Any:
    from sizing import balance  # noqa: PLC0415

    measured = load.measured
    return balance.Load.of(load, measured.prefill if measured else None, measured.decode if measured else None)


def _certain(tier: ResolvedTier) -> bool:
    return (
        not {each.name for each in flags_of(tier.extra_args)} & {*OPAQUE}
        and _number(tier, "--gpu-memory-utilization") is not None
    )


def _number(tier: ResolvedTier, *names: str) -> float | None:
    """The number that a flag has; 0 where it is not given, None where it is no number."""
    for name in names:
        if found := value_of(tier.extra_args, name):
            try:
                return float(found[1])
            except (TypeError, ValueError):
                return None
    return 0.0


def _flags(tier: ResolvedTier) -> Flags:
    from sizing.flags import Flags  # noqa: PLC0415

    def number(*names: str) -> int | None:
        found = _number(tier, *names)
        return int(found) if found else None

    def text(name: str) -> str | None:
        found = value_of(tier.extra_args, name)
        return str(found[1]) if found and found[1] else None

    names = {each.name for each in flags_of(tier.extra_args)}
    hybrid = False if "--disable-hybrid-kv-cache-manager" in names else None
    return Flags(
        tensor_parallel=tier.tensor_parallel,
        max_model_len=tier.model.max_model_len,
        block_size=tier.model.block_size,
        utilization=_number(tier, "--gpu-memory-utilization") or None,
        kv_cache_dtype=text("--kv-cache-dtype") or "auto",
        kv_cache_memory=number("--kv-cache-memory-bytes", "--kv-cache-memory"),
        max_num_seqs=number("--max-num-seqs"),
        max_num_batched_tokens=number("--max-num-batched-tokens"),
        eager="--enforce-eager" in names,
        quantization=text("--quantization"),
        context_parallel=number("--decode-context-parallel-size", "-dcp") or 1,
        connector=True,
        hybrid=True if "--no-disable-hybrid-kv-cache-manager" in names else hybrid,
        speculative="--speculative-config" in names,
        experts_apart="--enable-expert-parallel" in names,
        text_only=any(name in names for name in TEXT_ONLY),
    )


def _host(tier: ResolvedTier) -> Host:
    from sizing.host import Host  # noqa: PLC0415

    def gib(quantity: str) -> float:
        return float(amount(quantity)) / 2**30

    return Host(
        gib(tier.limits["memory"]),
        gib(tier.shm_size),
        _number(tier, "--cpu-offload-gb") or 0.0,
        _number(tier, "--kv-offloading-size") or 0.0,
    )


def summarized(asked: Question | None) -> tuple[list[dict[str, Any]], str]:
    """A row per tier for the stack output, and the table and the load as text; empty where nothing is sized."""
    if asked is None:
        return [], ""
    from sizing import summary  # noqa: PLC0415

    return summary.rows(asked), summary.report(asked)
