"""Judges requests through the gateway and the workers' counters."""

import json
from collections.abc import Callable, Sequence

from verify.finding import Finding, Unreachable, failed, ok, unseen, warning
from verify.legs import Counted, Trial
from verify.request import GatewayClient
from verify.rule import Rule, applies

Explain = Callable[[Finding], Finding]
"""Adds the reason to the finding of a request that the gateway itself failed."""


def judge_models(gateway: GatewayClient, model: str, explain_500: Explain) -> tuple[Finding, int | None]:
    """Report whether the gateway lists the model; return the longest prompt that it takes, in tokens."""
    step = "models"
    try:
        reply = gateway.models()
        text = reply.text()
        served = json.loads(text)["data"] if reply.status == 200 else []
        listed = {one["id"]: one.get("max_model_len") for one in served}
    except Unreachable as error:
        return failed(step, str(error), "the gateway can't be reached", error.remedy), None
    except (ValueError, KeyError, TypeError):
        return failed(step, f"/v1/models is no list of models: {text[:100]}", *explain(404)), None
    if reply.status != 200:
        answer = f"GET /v1/models: HTTP {reply.status} {text.strip()[:200]}".rstrip()
        finding = failed(step, answer, *explain(reply.status))
        return explain_500(finding) if _gateways_own(reply.status, text) else finding, None
    if model not in listed:
        return failed(
            step,
            f"/v1/models lists {', '.join(listed)}, not {model}",
            "requests for the stack's model get a 404",
            "--served-model-name of both tiers; do the workers of this stack answer? Another install behind the same "
            "Gateway needs a Gateway of its own",
        ), None
    return ok(step, f"{model} is served ({gateway.name})"), listed[model]


def explain(status: int) -> tuple[str, str]:
    """Return the meaning of an HTTP status on this path, and what to change."""
    return {
        400: ("the worker refuses the request", "the answer's text; a TLS sidecar behind a plain gateway says so, too"),
        401: (
            "vLLM refuses the API key",
            "the Secret of serving.security.apiKey: a worker has the key that was in it when the worker started",
        ),
        403: ("the sidecar or the gateway refuses it", "the sidecar's log (its SSRF protection fails with pools v1)"),
        404: ("no route or no such model", "the HTTPRoute's status, and the model's name in /v1/models"),
        429: ("the picker finds no Ready decode worker", "the decode pods, and their label llm-d.ai/role: decode"),
        500: ("the gateway can't ask the picker", "is the picker Ready, does the gateway trust its certificate?"),
        503: ("no Ready worker, or decode's vLLM is silent", "the pool's selector and the decode logs"),
    }.get(status, ("the request failed", "the logs of gateway, picker and decode workers"))


def _gateways_own(status: int, text: str) -> bool:
    """Whether Envoy failed the request itself: errors of the EPP and of workers have a text."""
    return status == 500 and not text.strip()


def judge_requests(trials: Sequence[Trial], explain_500: Explain, *, asked: bool) -> Finding:
    """Report whether every request was answered with tokens; `asked`: the EPP is known to have chosen the workers."""
    step = "request"
    for trial in trials:
        answer = trial.answer
        if answer.status != 200:
            finding = failed(step, f"HTTP {answer.status} {answer.text[:200]}".rstrip(), *explain(answer.status))
            return explain_500(finding) if _gateways_own(answer.status, answer.text) else finding
        if not answer.text:
            return failed(step, "HTTP 200, but no token", "clients get empty answers", "the decode pods' logs")
    fastest = min(trial.answer.first_token for trial in trials)
    through = " through the EPP" if asked else ""
    return ok(
        step, f"{len(trials)} of {len(trials)} answered{through}, first token after {fastest * 1000:.0f} ms at best"
    )


def judge_legs(trials: Sequence[Trial], rule: Rule | None, prompt: str) -> Finding:
    """Report whether the requests were disaggregated as the picker's configuration says."""
    step = "legs"
    fewest = {role: min(trial.of(role) for trial in trials) for role in ("prefill", "decode")}
    noise = sum(trial.of("decode") for trial in trials) > len(trials)
    evidence = f"each request: at least {fewest['prefill']} prefill and {fewest['decode']} decode legs"
    evidence += "; other clients are at work, and some legs may come from their requests" if noise else ""
    if not fewest["decode"]:
        return failed(
            step,
            evidence,
            "answers don't come from decode workers: prefill workers, or others, generate tokens",
            "the picker's filters (prefill-filter, decode-filter) and the pods' label llm-d.ai/role",
        )
    if rule is None:
        return unseen(step, f"{evidence}; the picker's configuration can't be read, so what should be is unknown")
    wanted = applies(rule, prompt)
    if wanted and not fewest["prefill"]:
        return failed(
            step,
            f"{evidence}; the configuration disaggregates {rule}",
            "silent fallback: decode workers compute the prompts themselves and the prefill GPUs idle",
            "the step sidecar below; the picker's log; pool targetPorts must be the sidecar's port, not vLLM's",
        )
    if not wanted and rule.at_least:
        return unseen(
            step, f"{evidence}; {rule} would be disaggregated, and such a prompt doesn't fit the model's context"
        )
    if not wanted:
        return warning(
            step,
            f"{evidence}; the picker's configuration never disaggregates",
            "prefill workers are always idle",
            "serving.routing.selectivePd: always, or a number from 1; then `pulumi up`",
        )
    return ok(step, f"{evidence}, as configured ({rule})")


def judge_spread(before: Counted, after: Counted, prefill: Sequence[str]) -> Finding:
    """Report prefill workers that never got a request although others got many."""
    step = "prefill spread"
    finished = {pod: round(after[pod].finished) for pod in prefill}
    now = sum(1 for pod in prefill if after[pod].finished > before[pod].finished)
    evidence = f"{now} of {len(prefill)} prefill pods worked for these requests; since their start: " + ", ".join(
        str(count) for count in sorted(finished.values(), reverse=True)
    )
    idle = sorted(pod for pod, count in finished.items() if not count)
    if idle and sum(finished.values()) >= 20 * len(prefill):
        return warning(
            step,
            f"{evidence}; never: {', '.join(idle)}",
            "their GPUs idle",
            "new pods start at 0; otherwise compare their labels with the others'",
        )
    return ok(step, evidence)
