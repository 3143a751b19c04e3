"""/metrics as vLLM and its simulator write it (metrics.yaml)."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from verify.metrics import Sample, parse, worker

TYPED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("metrics.yaml").read_text())


@pytest.mark.parametrize("said", TYPED.values(), ids=TYPED)
def test_the_metrics_of_a_worker(said: dict[str, Any]) -> None:
    seen = worker(said["text"])
    assert {name: getattr(seen, name) for name in said["seen"]} == said["seen"]


def test_labels_with_escaped_characters_are_parsed() -> None:
    text = 'a{x="q\\"}\\\\ {y=\\n",z=""} +Inf 1763700000000\nb 3\nthis is no sample\nc{} NaN-ish\n'

    assert list(parse(text)) == [Sample("a", {"x": 'q"}\\ {y=\n', "z": ""}, float("inf")), Sample("b", {}, 3)]
