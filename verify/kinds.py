"""Requests of every kind that vLLM takes: which of them the EPP takes, and which of them it disaggregates."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from verify.finding import Finding, ok, warning
from verify.legs import Counted, Counters, Trial
from verify.request import GatewayClient

CHAT, NUMBERS, TEXTS = "chat", "token numbers", "a list of texts"
_SMALLEST, _IDS = 100, 1000
"""Token numbers of ordinary words, which every vocabulary has."""
_TOKENS_PER_WORD = 4


def requests(prompt: Callable[[], str], words: int) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    """Return path and body of a request of each kind, as long as a `prompt` of so many words."""
    numbers = [_SMALLEST + secrets.randbelow(_IDS) for _ in range(words * _TOKENS_PER_WORD)]
    return {
        CHAT: ("/v1/chat/completions", {"messages": [{"role": "user", "content": prompt()}]}),
        NUMBERS: ("/v1/completions", {"prompt": numbers}),
        TEXTS: ("/v1/completions", {"prompt": [prompt(), prompt()]}),
    }


def try_out(
    gateway: GatewayClient, model: str, counters: Counters, prompt: Callable[[], str], words: int
) -> dict[str, Trial]:
    """Send a request of each kind, one after another. Raises `Unreachable` when no answer comes."""
    found: dict[str, Trial] = {}
    now: Counted = counters.read()
    for kind, (path, body) in requests(prompt, words).items():
        found[kind], now = counters.try_out(partial(gateway.ask, path, model, body), now)
    return found


def judge(tried: Mapping[str, Trial], *, wanted: bool) -> Finding:
    """Report each kind's path. `wanted`: whether the EPP's configuration disaggregates texts of this length.

    An EPP reads texts and chats. What it cannot read it refuses, or sends to a decode worker alone: that is a limit of
    the release, and no failure.
    """
    step = "kinds"
    evidence = f"text as above; {'; '.join(f'{kind}: {_path(trial)}' for kind, trial in tried.items())}"
    never = [kind for kind, trial in tried.items() if wanted and not trial.of("prefill")]
    if never:
        evidence += f". This EPP never disaggregates {_listed(never)}"
    chat = tried[CHAT]
    if chat.answer.status != 200 or CHAT in never:
        return warning(
            step,
            evidence,
            "chat requests do not take the path of the text requests above",
            "the answer's text; a chat template of the model (serving.model), and the picker's log",
        )
    return ok(step, evidence)


def _path(trial: Trial) -> str:
    if trial.answer.status != 200:
        return f"HTTP {trial.answer.status} {trial.answer.text[:80]}".rstrip()
    return " → ".join(role for role, pods in trial.legs.items() if pods) or "no worker seen"


def _listed(kinds: Sequence[str]) -> str:
    return " and ".join(kinds) if len(kinds) < 3 else f"{', '.join(kinds[:-1])} and {kinds[-1]}"
