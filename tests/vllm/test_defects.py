"""What only real vLLM refuses: `verify` names it."""

from collections.abc import Iterator

import pytest

from tests.vllm.defects import DEFECTS, Defect, Object
from tests.vllm.pair import Pair, text, until

pytestmark = pytest.mark.vllm
LONG = {"prompt": text(100, "cut"), "max_tokens": 3000, "temperature": 0, "ignore_eos": True}


@pytest.fixture(scope="module")
def declared(pair: Pair) -> Iterator[dict[str, Object]]:
    """The pod templates as the program declares them, by role; the tiers have them again afterwards."""
    templates = {role: pair.deployment(role)["spec"]["template"] for role in ("decode", "prefill")}
    yield templates
    for role, template in templates.items():
        pair.replace_template(role, template)
    for role in templates:
        pair.await_started(role)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name.replace(" ", "-"))
def test_a_defect_is_caught_by_name(pair: Pair, declared: dict[str, Object], defect: Defect) -> None:
    if defect.role == "prefill":
        pair.replace_template("decode", declared["decode"])
        pair.await_started("decode")
    pair.replace_template(defect.role, defect.applied(declared[defect.role]))
    if defect.starts:
        pair.await_started(defect.role)
    else:
        until(lambda: pair.restarts(defect.role, defect.name), f"vLLM of {defect.role} ends with {defect.name}")

    found = {step: one for step, one in pair.verify().items() if one["outcome"] in ("FAILED", "warning")}
    assert defect.says in found.get(defect.step, {}).get("evidence", ""), found
    assert all(one["meaning"] and one["remedy"] for one in found.values()), found


def test_a_stream_is_cut_where_the_hook_has_no_grace(pair: Pair, declared: dict[str, Object]) -> None:
    hasty = {**declared["decode"], "spec": {**declared["decode"]["spec"], "terminationGracePeriodSeconds": 1}}
    pair.replace_template("decode", hasty)
    pair.replace_template("prefill", declared["prefill"])
    for role in declared:
        pair.await_started(role)
    pod = pair.pod("decode")
    events = pair.stream("/v1/completions", LONG)
    next(events)
    pair.api.delete(pod.path)

    with pytest.raises((AssertionError, OSError)):
        list(events)
