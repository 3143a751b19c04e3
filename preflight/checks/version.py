"""Kubernetes itself."""

import re
from collections.abc import Iterator

from preflight.answers import Question
from preflight.facts import Facts
from preflight.finding import Finding, error

VERSION = Question("/version")
LEAST = (1, 29)
"""Native sidecars: the decode pods' routing sidecar is one."""


def asks(facts: Facts) -> list[Question]:
    """The server's version."""
    return [VERSION]


def check(facts: Facts) -> Iterator[Finding]:
    """Is it new enough for native sidecars?"""
    body = facts.asked(VERSION).body
    numbers = re.match(r"v(\d+)\.(\d+)", str(body.get("gitVersion", "")))
    if numbers and tuple(map(int, numbers.groups())) < LEAST:
        yield error(
            "Kubernetes version",
            "serving.cluster.context",
            f"the API server is {body['gitVersion']}",
            "before 1.29 an init container that never ends is no sidecar: decode pods would never start vLLM",
            "upgrade the cluster to Kubernetes 1.29 or newer, or choose another one",
        )
