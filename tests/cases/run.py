"""Reads the cases, and runs one: the plan and the objects of its settings, or checks of the preflight on its cluster.

Each case of a file is laid over the file's `given`. A case has these keys, besides those of `tests.field.cases`:

- `settings`, laid over `tests.stack_file.BASE` with release 0.6; `noted`: some of the plan's warnings, or the notes of
  the preflight;
- `cluster`: the answers of the API server. With `check`, only this check runs, and only the typed answers exist;
  without it, all checks run on a complete cluster. `nodes` and `pods` have the fields of `tests.preflight.typed`; other
  `answers` are by path, `dry` answers by a part of the object; `state` has fields of `preflight.state.State`;
- `before`: settings of the run before; `replaced`: the tiers that the second run replaces because their workers cannot
  exchange KV blocks with the former ones; `costs`: words of the second run's note on the cost, empty if it has no note;
- `outputs`: stack outputs, with `address` as the Gateway's address; a list has the words of a curl command as a shell
  reads them, without the body.
"""

import shlex
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

import preflight
from components.config.reading import settings_of
from components.plan import check, resolve
from preflight.answers import Answer
from preflight.facts import Facts
from preflight.finding import Finding, Severity
from preflight.state import State
from tests.field import seen
from tests.field.cases import lacking, laid_over
from tests.preflight.typed import NODES, PODS, Typed, listed, node, pod, whole
from tests.program.test_generations import state_of
from tests.program.test_outputs import WithAddress
from tests.program.wire import ran
from tests.recorder import run_program
from tests.stack_file import BASE as SMALLEST

Case = Mapping[str, Any]
BASE = {**SMALLEST, "release": "0.6"}
SEVERITIES = {"refused": Severity.ERROR, "warned": Severity.WARNING, "noted": Severity.NOTE}
WORDS = {"settings", "cluster", "deployed", "before", "replaced", "costs", "outputs", "address", *SEVERITIES}


def corpus() -> dict[str, Case]:
    """Every case by file, heading and number."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("*.yaml")):
        headings = yaml.safe_load(file.read_text())
        given = headings.pop("given", {})
        for heading, cases in headings.items():
            for number, case in enumerate(cases, 1):
                assert case.keys() <= WORDS, case
                found[f"{file.stem}: {heading} {number}"] = laid_over(given, case)
    return found


def differs(case: Case) -> Iterator[str]:
    """The differences between what the program does and what the case says."""
    serving = laid_over(BASE, case.get("settings", {}))
    if "cluster" in case:
        findings = list(_findings(serving, case["cluster"]))
        for word, severity in SEVERITIES.items():
            texts: dict[str, str] = {}
            for each in findings:
                if each.severity is severity:
                    text = f"{each.check}: {each.evidence}; {each.outcome}; {each.remedy}\n"
                    texts[each.path] = texts.get(each.path, "") + text
            yield from _unsaid(case.get(word, {}), texts, word)
        return
    outcome = seen.of_settings(serving, objects="deployed" in case)
    yield from _unsaid(case.get("refused", {}), outcome.refused, "refused")
    if "warned" in case:
        yield from seen.unwarned(case["warned"], outcome.warned)
    for path, words in case.get("noted", {}).items():
        if not any(all(word in text for word in (path, *words)) for text in outcome.warned):
            yield f"noted: {outcome.warned}"
    yield from lacking(case.get("deployed", {}), outcome.objects)
    if "before" in case:
        yield from _second_run(laid_over(BASE, case["before"]), serving, case)
    if "outputs" in case:
        recorder = run_program(serving, recorder=WithAddress(case["address"])) if "address" in case else ran(serving)
        outputs = recorder.stack_outputs
        for key, value in case["outputs"].items():
            if isinstance(value, list):
                yield from lacking({"(exactly)": value}, shlex.split(outputs[key])[:-2], key)
            else:
                yield from lacking(value, outputs[key], key)


def _second_run(before: Mapping[str, Any], serving: Mapping[str, Any], case: Case) -> Iterator[str]:
    second = run_program(serving, recorder=state_of(ran(before)))
    text = "".join(message for message in second.messages if "cost of this change:" in message)
    replaced = {
        each.name.removesuffix("-deployment")
        for each in second.declared.values()
        if "spec.template" in each.request.replaceOnChanges and each.request.deleteBeforeReplace
    }
    yield from (f"{word!r} is not in {text!r}" for word in case.get("costs", ()) if word not in text)
    if replaced != set(case.get("replaced", ())) or bool(replaced) != ("because these differ" in text):
        yield f"replaced: {replaced}, {text}"
    if case.get("costs") == [] and text:
        yield text


def _unsaid(said: Mapping[str, list[str]], texts: Mapping[str, str], word: str) -> Iterator[str]:
    """The differences between texts by path and the words that a case has for them."""
    if texts.keys() != said.keys():
        yield f"{word}: {texts}"
    for path, words in said.items():
        yield from (f"{path}: no {each!r} in {texts.get(path)}" for each in words if each not in texts.get(path, ""))


def _findings(serving: Mapping[str, Any], cluster: Mapping[str, Any]) -> Iterator[Finding]:
    read, problems = settings_of(dict(serving))
    assert not [each.text() for each in [*problems, *check(read, token_given=read.model.token_secret is not None)]]
    plan = resolve(read)
    answers = {**({} if "check" in cluster else whole()), **cluster.get("answers", {})}
    if "nodes" in cluster:
        answers |= {NODES: listed(*map(_node, cluster["nodes"])), PODS: listed(*map(_pod, cluster.get("pods", [])))}
    dry = {part: Answer(each["code"], {"kind": "Status", **each}) for part, each in cluster.get("dry", {}).items()}
    typed = Typed(answers, dry=dry)
    state = State(**{"known": True, **cluster.get("state", {})})
    if "check" not in cluster:
        yield from preflight.run(plan, typed, state).findings
        return
    yield from import_module(f"preflight.checks.{cluster['check']}").check(Facts(plan, typed, state))


def _node(said: Mapping[str, Any]) -> dict[str, Any]:
    words = {key: value for key, value in said.items() if key not in ("offers", "has")}
    made = node(**words)
    made["status"]["allocatable"] |= {key: str(amount) for key, amount in said.get("offers", {}).items()}
    return made if "has" not in said else made | {"status": {**made["status"], "capacity": said["has"]}}


def _pod(said: Mapping[str, Any]) -> dict[str, Any]:
    words = {key: value for key, value in said.items() if key not in ("node", "spec")}
    made = pod(on=said["node"], **words)
    made["spec"] |= said.get("spec", {})
    return made
