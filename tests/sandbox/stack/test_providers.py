"""Gateway providers with a controller in the sandbox serve; for the others the sandbox reports that none serves."""

import io
from collections.abc import Iterator

import pytest

from sandbox.client import route
from sandbox.client.chat import ask, await_serving
from sandbox.client.route import NotServed
from sandbox.network import istio
from sandbox.progress import Progress
from tests.sandbox.running import Running, soon
from tests.sandbox.serving.traffic import send, traffic, words
from tests.sandbox.stack.deployment import Deployment, deployment, destroyed_afterwards

pytestmark = pytest.mark.thorough

SERVED = [("istio", "0.4"), ("standalone", "0.6"), ("data-science-gateway", "0.6")]
"""Other tests have istio with release 0.6. Each provider replaces the one before."""


@pytest.fixture(scope="module")
def stack(cluster: Running) -> Iterator[Deployment]:
    with destroyed_afterwards(deployment(cluster, "amd")) as made:
        istio.provide(cluster.host_kubeconfig, "openshift-ingress", Progress())
        yield made


def up(stack: Deployment, provider: str, release: str) -> None:
    stack.configure(gateway=None)
    stack.pulumi("config", "set", "--path", "--type=string", "serving.release", release)
    stack.up(gateway__provider=provider)
    stack.pulumi("preview", "--expect-no-changes")


@pytest.mark.parametrize(("provider", "release"), SERVED)
def test_a_provider_serves_with_both_legs(provider: str, release: str, stack: Deployment) -> None:
    up(stack, provider, release)
    with traffic(stack) as requests:
        model = requests.model

        def ask(prompt: str) -> int:
            way = route.find_target(stack.cluster.home, "amd", requests.api)
            body = {"model": model, "prompt": prompt, "max_tokens": 4}
            return send(way.port, "POST", "/v1/completions", body).status

        await_serving(stack.cluster.home, "amd", Progress(io.StringIO()))
        assert soon(requests.disaggregated)
        assert requests.counted(lambda: ask(words(20, f"{provider}{release}")), decode=1).totals == (1, 1)


def test_a_provider_without_a_controller_deploys_and_is_reported_as_not_served(stack: Deployment) -> None:
    up(stack, "agentgateway", "0.6")
    with pytest.raises(NotServed, match=r"no controller of GatewayClass agentgateway$"):
        ask(stack.cluster.home, "amd", Progress(io.StringIO()))
    verified = stack.verify()
    assert verified.returncode == 1
    assert "not served here" in verified.stdout


def test_providers_leave_no_objects(stack: Deployment) -> None:
    stack.pulumi("destroy", "--yes", "--skip-preview")
    assert stack.objects() == set()
