"""A stack's sizing in short: rows for the stack output, and text for the preview and the pull request's comment."""

from collections.abc import Iterator
from typing import Any

from sizing.balance import Estimate
from sizing.verdict import DECODE, PREFILL, Question

TITLE = "sizing on "


def rows(asked: Question) -> list[dict[str, Any]]:
    """A row per tier: GiB of each GPU, tokens of the cache, sequences at full length; with a load, how busy it is."""
    table: list[dict[str, Any]] = []
    for role in (PREFILL, DECODE):
        fit, flags = asked.fit(role), asked.tiers[role].flags
        table.append(
            {
                "tier": role,
                "workers": asked.tiers[role].count,
                "tensorParallel": flags.tensor_parallel,
                "weightsGiB": round(fit.weights.likely, 1),
                "activationsGiB": round(fit.activation.likely, 1),
                "otherGiB": round(fit.other, 1),
                "cacheGiB": round(fit.pool.likely, 1),
                "cacheGiBRange": [round(max(0.0, fit.pool.least), 1), round(fit.pool.most, 1)],
                "cacheTokens": max(0, fit.tokens(by_concurrency=asked.engine.counts_sequences)),
                "sequences": round(fit.sequences(), 1),
                **_pace(asked, role),
            }
        )
    return table


def _pace(asked: Question, role: str) -> dict[str, object]:
    """Tokens per second of one worker, and the busy part of the tier's time."""
    load, found = asked.load, asked.estimate
    if load is None or found is None:
        return {}
    from sizing import balance  # noqa: PLC0415

    if role == PREFILL:
        return {
            "tokensPerSecond": round(balance.prefill_rate(found.prefill, load)),
            "busy": round(found.prefill_load, 2),
        }
    return {"tokensPerSecond": round(balance.decode_rate(found.decode, load)), "busy": round(found.decode_load, 2)}


def report(asked: Question) -> str:
    """The rows as text, and what the layout carries under the load."""
    length = asked.tiers[PREFILL].flags.max_model_len
    head = ("tier", "workers", "weights", "activations", "other", "KV cache (range)", "tokens", "sequences")
    lines = [f"{TITLE}{asked.card.name}, GiB per GPU; sequences of {length or 'full'} tokens", _line(head)]
    for row in rows(asked):
        least, most = row["cacheGiBRange"]
        cells = (
            row["tier"],
            f"{row['workers']} x TP{row['tensorParallel']}",
            *(row[f"{part}GiB"] for part in ("weights", "activations", "other")),
            f"{row['cacheGiB']} ({least} to {most})",
            row["cacheTokens"],
            row["sequences"],
        )
        lines.append(_line(cells))
    if asked.estimate:
        lines += _carried(asked, asked.estimate)
    return "\n".join(lines)


def _line(cells: tuple[object, ...]) -> str:
    widths = (7, 8, 7, 11, 5, 22, 8, 9)
    return "  ".join(f"{cell!s:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _carried(asked: Question, found: Estimate) -> Iterator[str]:
    from sizing.rates import efficiency  # noqa: PLC0415  # a preview without a load does not pay for it

    about, load = efficiency(asked.shape, asked.card), asked.load
    measured = load and load.measured_prefill and load.measured_decode
    basis = "serving.load.measured" if measured else f"within a factor of {1 + about.band:.2f}, {about.basis}"
    yield (
        f"  {found.rate:.2f} requests/s of at most {found.limit:.2f}, which {found.binds} sets; prefill "
        f"{found.prefill_load:.0%} busy, decode {found.decode_load:.0%} ({basis})"
    )
    if found.transfer:
        yield (
            f"  first token after {found.ttft * 1000:.0f} ms, then one in {found.itl * 1000:.1f} ms; the KV cache of a "
            f"prompt is {found.transfer.bytes / 1e9:.2f} GB, {found.transfer.seconds * 1000:.0f} ms over {asked.path}"
        )
