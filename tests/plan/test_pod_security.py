"""The table of the Pod Security Standards, and its result for every pod of a stack."""

from typing import Any

import pytest
import yaml

from components.config.vocabulary import PodSecurity
from components.plan.pod_rights import of_worker
from components.plan.pod_security import admitted_by, violations
from components.plan.resolve import resolve
from tests.program.expected import FOLDER
from tests.program.wire import AMD, made
from tests.stack_file import settings

CONFINED: dict[str, Any] = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


TYPED: dict[str, Any] = yaml.safe_load((FOLDER / "pod-security.yaml").read_text())
STACKS: list[dict[str, Any]] = TYPED["stacks"]


def _container(said: dict[str, Any]) -> dict[str, Any]:
    """The fields of a container that the file says."""
    if "CONFINED" not in said:
        return said
    rest = {key: value for key, value in said.items() if key != "CONFINED"}
    merged = {**CONFINED, **said["CONFINED"]}
    return {"securityContext": {key: value for key, value in merged.items() if value is not None}, **rest}


PODS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (pod, _container(container), admitted) for pod, container, admitted in TYPED["pods"]
]
"""Fields of a pod, fields of its container, and the strictest level that admits it."""


@pytest.mark.parametrize(("pod", "container", "admitted"), PODS, ids=str)
def test_the_strictest_level_that_admits_a_pod(pod: dict[str, Any], container: dict[str, Any], admitted: str) -> None:
    assert admitted_by(violations({"containers": [{"name": "c", **container}], **pod})).value == admitted


@pytest.mark.parametrize("changes", STACKS, ids=str)
def test_the_deployed_pods_have_what_the_plan_says_and_all_others_pass_restricted(changes: dict[str, Any]) -> None:
    serving = {key: value for key, value in AMD.items() if key not in changes} | changes
    plan = resolve(settings(**serving), None)
    declared = {key: each for key, each in made(serving).objects.items() if key.startswith("Deployment/")}
    workers = {f"Deployment/{tier.worker.name}": tier.worker for tier in (plan.prefill, plan.decode)}
    assert workers.keys() < declared.keys()
    for key, each in declared.items():
        found = violations(each["spec"]["template"]["spec"])
        if key in workers:
            said = of_worker(workers[key])
            assert sorted(one for one in found if "[routing-proxy]" not in one.field) == sorted(said)
            assert {one.what for one in found} == {one.what for one in said}
        else:
            assert admitted_by(found) is PodSecurity.RESTRICTED
