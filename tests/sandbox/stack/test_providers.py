"""Every gateway provider that a controller serves: up, one request through both tiers, and down, in one sandbox."""

from collections.abc import Iterator

import pytest

from sandbox.talking import target
from tests.sandbox.running import Running, soon
from tests.sandbox.serving.traffic import send, traffic, words
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough

CELLS = [
    ("istio", "0.6", {}),
    ("agentgateway", "0.6", {}),
    ("kgateway", "0.6", {}),
    ("data-science-gateway", "0.6", {}),
    ("gke", "0.6", {}),
    ("gke", "0.6", {"exposure": "internal"}),
    ("kgateway", "0.4", {}),
    ("agentgateway", "0.4", {}),
]


@pytest.fixture(scope="module")
def stack(cluster: Running) -> Iterator[Deployment]:
    with destroyed_afterwards(deployment(cluster, "amd")) as made:
        yield made


@pytest.mark.parametrize(("provider", "release", "more"), CELLS)
def test_a_provider_serves_with_both_legs(provider: str, release: str, more: dict[str, str], stack: Deployment) -> None:
    stack.configure(gateway=None)
    stack.pulumi("config", "set", "--path", "--type=string", "serving.release", release)
    stack.up(gateway__provider=provider, **{f"gateway__{key}": value for key, value in more.items()})
    stack.pulumi("preview", "--expect-no-changes")
    with traffic(stack) as requests:
        model = requests.model

        def ask(prompt: str) -> int:
            way = target.find(stack.cluster.home, "amd", requests.api)
            body = {"model": model, "prompt": prompt, "max_tokens": 4}
            return send(way.port, "POST", "/v1/completions", body).status

        assert soon(lambda: ask(f"{provider} {release} begins") == 200)
        assert requests.counted(lambda: ask(words(20, f"{provider}{release}")), decode=1).totals == (1, 1)


def test_nothing_of_any_provider_is_left(stack: Deployment) -> None:
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert stack.objects() == set()
