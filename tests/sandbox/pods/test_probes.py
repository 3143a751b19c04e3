"""How long a container may take to start, from its probe's numbers."""

import pytest

from sandbox.pods.probes import Timing


@pytest.mark.parametrize(
    ("probe", "seconds"),
    [
        ({"initialDelaySeconds": 15, "periodSeconds": 30, "failureThreshold": 60}, 1815),
        ({"periodSeconds": 1, "failureThreshold": 60}, 60),
        ({}, 30),
    ],
)
def test_the_budget_is_the_delay_and_every_failure_that_is_allowed(probe: dict[str, int], seconds: int) -> None:
    assert Timing.of(probe).budget == seconds
