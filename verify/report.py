"""The report of a verification: text for a person, JSON for a program."""

import json
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from verify.finding import Finding, Outcome
from verify.legs import Trial
from verify.load import QUEUE, Measured
from verify.steps import Verification

_INDENT = " " * 28


def line(finding: Finding) -> str:
    """Format a step: its outcome and evidence; unless all is well, its meaning and what to change."""
    text = _wrapped(f"{finding.outcome:<12}{finding.step:<16}", finding.evidence)
    if finding.meaning:
        text += "\n" + _wrapped(f"{_INDENT}means:  ", finding.meaning)
    if finding.remedy:
        text += "\n" + _wrapped(f"{_INDENT}change: ", finding.remedy)
    return text


def requests(trials: list[Trial]) -> str:
    """Format each request's path and times, and the last answer."""
    text = []
    for number, trial in enumerate(trials, 1):
        answer = trial.answer
        times = f"first token {answer.first_token * 1000:.0f} ms, all {answer.tokens or '?'} tokens "
        text.append(_wrapped(f"request {number}: ", f"{trial.path}; {times}{answer.total * 1000:.0f} ms"))
    answered = [trial.answer for trial in trials if trial.answer.status == 200]
    if answered:
        text.append(f"answer: {' '.join(answered[-1].text.split())[:200]!r}")
    return "\n".join(text)


def verdict(done: Verification) -> str:
    """Format the summary line."""
    counts = {outcome: sum(1 for one in done.findings if one.outcome is outcome) for outcome in Outcome}
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    return f"{'NOT verified' if done.failed else 'Verified'}: {outcomes}"


def document(done: Verification, **more: object) -> str:
    """Format everything as JSON: `ok`, `steps` and `requests`, and what else is given."""
    content: dict[str, Any] = {
        "ok": not done.failed,
        "stack": done.outputs.stack,
        "server": done.cluster.server,
        "steps": [asdict(finding) for finding in done.findings],
        "requests": [asdict(trial) for trial in done.trials],
        **more,
    }
    return json.dumps(content, indent=2)


def _wrapped(start: str, text: str) -> str:
    width = max(60, shutil.get_terminal_size((120, 40)).columns)
    hanging = " " * len(start)
    return textwrap.fill(
        text, width, initial_indent=start, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
    )


def load(measured: Measured, rows: Sequence[Mapping[str, Any]]) -> str:
    """The table, the comparison with what sizing predicted (`rows`: stack output `sizing`), and the block to paste."""
    load, stack = measured.load, measured.stack
    sent = f"{load.rate:g} requests/s" if load.rate else f"{load.concurrency} at a time"
    failed = f", {stack['failed']} failed" if stack.get("failed") else ""
    count = measured.bytes.count
    lines = [
        f"load: prompts of {load.input_tokens} tokens, answers of {load.output_tokens}, {sent}; "
        f"{stack['completed']} requests{failed}",
        f"{'':28}{'p50':>10}{'p90':>10}{'p99':>10}",
        _row("time to first token, ms", [stack[f"p{each}_ttft_ms"] for each in (50, 90, 99)]),
        _row("time per further token, ms", [stack[f"p{each}_tpot_ms"] for each in (50, 90, 99)]),
    ]
    if count:
        lines += [
            _row("KV transfer, MB", [measured.bytes.quantile(each / 100) / 1e6 for each in (50, 90, 99)]),
            _row("KV transfer, ms", [measured.seconds.quantile(each / 100) * 1000 for each in (50, 90, 99)]),
            f"{count:.0f} KV transfers of {measured.bytes.total / count / 1e6:.2f} MB and "
            f"{measured.seconds.total / count * 1000:.1f} ms on average; percentiles are within the buckets of vLLM's "
            "histograms",
        ]
    else:
        lines.append(
            "no KV transfer was counted: decode workers computed the prompts, or export no vllm:nixl_* metrics"
        )
    lines.append(
        f"the stack: {stack['request_throughput']:.2f} requests/s, {stack['output_throughput']:.0f} tokens/s generated"
    )
    p, d = measured.prefill, measured.decode
    lines.append(_alone_line("prefill", "P", p, rows, f"prompts of {load.input_tokens} tokens, {QUEUE} at a time"))
    how = f"{d['max_concurrency']} streams, {d['p50_tpot_ms']:.1f} ms per token" if d else ""
    lines.append(_alone_line("decode", "D", d["output_throughput"] if d else None, rows, how))
    if d and load.itl and d["p50_tpot_ms"] > load.itl:
        lines.append(f"no run of the decode worker was within {load.itl:g} ms per token")
    if p and d:
        lines += [
            "",
            "Paste into the stack file, where sizing takes it in place of its own estimates:",
            "  llm-d-pd:serving:",
            "    load:",
            f"      measured: {{prefill: {p:.0f}, decode: {d['output_throughput']:.0f}}}",
        ]
    return "\n".join(lines)


def _row(what: str, numbers: Sequence[float]) -> str:
    return f"{what:28}" + "".join(f"{number:10.1f}" for number in numbers)


def _alone_line(role: str, letter: str, rate: float | None, rows: Sequence[Mapping[str, Any]], how: str) -> str:
    if rate is None:
        return (
            f"one {role} worker alone: not measured, it does not answer other pods "
            "(serving.security.level: locked lets only gateway and workers in)"
        )
    predicted = next((row.get("tokensPerSecond") for row in rows if row.get("tier") == role), None)
    compared = (
        f"; sizing expects {predicted}, the measurement is {rate / predicted:.2f} times that" if predicted else ""
    )
    return f"one {role} worker alone: {letter} = {rate:.0f} tokens/s ({how}){compared}"
