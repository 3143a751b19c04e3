"""A stack with one of more than forty defects: `verify` names the step that fails.

Each defect has its own namespace. Several run in parallel, because a broken stack mostly waits.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.cluster.api import connect
from sandbox.network import istio
from sandbox.progress import Progress
from tests.sandbox.running import Running, provide_nodes
from tests.sandbox.serving import broken
from tests.sandbox.serving.defects import DEFECTS, Defect
from verify.finding import Finding, Outcome

pytestmark = pytest.mark.thorough
AT_ONCE = 3
"""Parallel stacks; two cores start no more in time."""
SOON, AT_LAST = 10.0, 60.0
"""Seconds to watch a part that never becomes ready, and seconds that a busy machine may need for others."""

SELECTIVE = {"selectivePd": {"nonCachedTokens": 32}}
Found = dict[str, list[Finding]]


@pytest.fixture(scope="module")
def found(cluster: Running) -> Iterator[Found]:
    """Findings of `verify` for every defect, and for the stack without defects."""
    provide_nodes(cluster, count=4)
    istio.provide(cluster.host_kubeconfig, "istio-system", Progress())
    stacks = {"nothing": broken.render("sound")}
    late = {"nothing": ""}
    for number, defect in enumerate(DEFECTS):
        objects = broken.render(f"broken-{number}", routing=SELECTIVE if defect.selective else None)
        stacks[defect.name] = broken.with_defect(defect, objects)
        late[defect.name] = defect.step if defect.never_ready else ""

    with connect(cluster.host_kubeconfig) as api, ThreadPoolExecutor(AT_ONCE) as together:

        def try_out(name: str) -> list[Finding]:
            objects = stacks[name]
            [namespace] = [one["metadata"]["name"] for one in objects.values() if one["kind"] == "Namespace"]
            try:
                broken.deploy(api, objects, AT_LAST, late[name], SOON)
                return broken.verify(cluster.host_kubeconfig, namespace)
            finally:
                broken.remove(api, objects)

        yield dict(zip(stacks, together.map(try_out, stacks), strict=True))


def test_a_stack_without_defects_has_no_findings(found: Found) -> None:
    assert [one for one in found["nothing"] if one.outcome in (Outcome.FAILED, Outcome.WARNING)] == []


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name.replace(" ", "-"))
def test_a_defect_is_caught(found: Found, defect: Defect) -> None:
    bad = [one for one in found[defect.name] if one.outcome in (Outcome.FAILED, Outcome.WARNING)]
    assert bad, "no step failed"
    assert bad[0].step in defect.steps, bad
    assert defect.says in bad[0].evidence, bad
    assert all(one.meaning and one.remedy for one in bad), bad
