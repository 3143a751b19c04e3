"""What `verify` finds in typed objects, logs, answers and counters. The cases are in `cases/*.yaml`.

A heading of a file has the function to `ask`, arguments that are `given` to all its `cases`, and in each case more
arguments, the outcome that it `finds` (none where it reports nothing), and what the finding `says`: a text is the whole
evidence, a list has parts of the finding; `lacks` has what the finding must not say. `MAKERS` makes arguments of what
is typed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from sizing import shape
from tests.field.cases import laid_over
from tests.verify.fake import APPS, CORE, GATEWAYS, NAMESPACE, RULES, FakeCluster, named, outputs, pod
from verify.asking import RequestPath
from verify.crashes import cause
from verify.finding import Unreachable, failed
from verify.legs import Counted, Trial
from verify.metrics import worker
from verify.outputs import Workload
from verify.proxies import Proxies
from verify.request import Answer
from verify.routing import Endpoint
from verify.rule import Rule
from verify.tiers import Tier
from verify.transfers import model_of
from verify.ucx import Transports

WORDS = {"finds", "says", "lacks"}
PLACES = {"core": CORE, "apps": APPS, "gateway": GATEWAYS}


class Loader(yaml.SafeLoader):
    """Reads `!pod` as a pod of one container, `proxy`."""


def _pod(loader: Loader, node: yaml.MappingNode) -> dict[str, Any]:
    said: Mapping[Any, Any] = loader.construct_mapping(node, deep=True)
    return pod(**said)


Loader.add_constructor("!pod", _pod)


class Cluster(FakeCluster):
    """Has logs of previous containers apart, below `pod/container before`."""

    def log(self, namespace: str, pod: str, container: str, **query: str) -> str:
        if query.get("previous") != "true":
            return super().log(namespace, pod, container)
        if (text := self._logs.get(f"{pod}/{container} before")) is None:
            raise Unreachable("previous terminated container not found", "")
        return text


def _place(path: str) -> str:
    start, slash, rest = path.partition("/")
    return f"{PLACES[start]}/{rest}" if start in PLACES else f"{start}{slash}{rest}"


def _rule(host: str, namespace: str = NAMESPACE, name: str = "epp", **policy: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"host": host, "trafficPolicy": policy}}


def _cluster(said: Mapping[str, Any]) -> Cluster:
    answers = {_place(path): answer for path, answer in said.get("answers", {}).items()}
    rules = {RULES.format(place): [_rule(**each) for each in rules] for place, rules in said.get("rules", {}).items()}
    return Cluster(answers | rules, said.get("logs"), tuple(map(_place, said.get("forbids", ()))))


def _path(said: Mapping[str, Any]) -> RequestPath:
    proxies = Proxies(NAMESPACE, "gate-istio", [pod("proxy-1", True, {"running": {}})], "", None)
    endpoint = Endpoint(proxies, "gate", "", 80)
    pool, route = (named(name, spec=said.get(name, {"rules": []})) for name in ("pool", "route"))
    return RequestPath(_cluster(said.get("cluster", {})), outputs(said.get("provider", "istio")), endpoint, pool, route)


def _trial(said: Mapping[str, Any]) -> Trial:
    legs = {role: {f"{role}-1": count} if (count := said.get(role, 1)) else {} for role in ("prefill", "decode")}
    answer = {key: value for key, value in said.items() if key not in legs}
    return Trial(replace(Answer(200, "some tokens", 0.01, 0.05, 90, 16, marked=True), **answer), legs)


def _tier(said: Mapping[str, Any]) -> Tier:
    return Tier(said["role"], Workload(said["role"], 1, 4, rdma=True), said["pods"], 1)


def _counted(said: Mapping[str, Any]) -> Counted:
    return {pod: replace(worker(""), **figures) for pod, figures in said.items()}


def _model(said: Mapping[str, Any]) -> Any:
    read = shape.read(said["shape"])
    assert isinstance(read, shape.Shape)
    return model_of(read, list(map(_tier, said["tiers"])))


def _never(*finding: object) -> Any:
    raise AssertionError(f"asked without need: {finding}")


MAKERS: dict[str, Callable[[Any], Any]] = {
    "cluster": _cluster,
    "outputs": lambda said: replace(
        outputs(), workloads={role: Workload(**each) for role, each in said.get("workloads", {}).items()}
    ),
    "path": _path,
    "trials": lambda said: list(map(_trial, said)),
    "tried": lambda said: {kind: _trial(each) for kind, each in said.items()},
    "rule": lambda said: said and Rule(*said),
    "tier": _tier,
    "before": _counted,
    "after": _counted,
    "model": _model,
    "seen": lambda said: Transports(*map(frozenset, said)),
    "finding": lambda said: failed("request", said, "it fails", "look"),
    "refused": lambda said: _never if said is None else lambda: said,
    "explain_500": lambda _: _never,
    "causes": lambda said: {pod: cause(log) for pod, log in said.items()},
}


def _corpus() -> Iterator[Any]:
    for file in sorted(Path(__file__).parent.glob("cases/*.yaml")):
        for heading, said in yaml.load(file.read_text(), Loader).items():
            for number, case in enumerate(said["cases"], 1):
                arguments = laid_over(said.get("given", {}), case)
                yield pytest.param(said["ask"], arguments, id=f"{file.stem}: {heading} {number}")


@pytest.mark.parametrize(("ask", "said"), list(_corpus()))
def test_a_finding(ask: str, said: dict[str, Any]) -> None:
    module, _, function = ask.partition(".")
    arguments = {key: MAKERS.get(key, lambda same: same)(value) for key, value in said.items() if key not in WORDS}
    answer = getattr(import_module(f"verify.{module}"), function)(**arguments)
    found = answer[0] if isinstance(answer, tuple) else answer
    if said.get("finds") == "none":
        assert not found
        return
    step = getattr(found, "step", "")  # a Cause has none
    text = found if isinstance(found, str) else f"{step}: {found.evidence}; {found.meaning}; {found.remedy}"
    assert "finds" not in said or found.outcome == said["finds"], found
    if isinstance(words := said.get("says", []), str):
        assert found.evidence == words
    else:
        assert not [word for word in words if word not in text], text
    assert not [word for word in said.get("lacks", []) if word in text], text
