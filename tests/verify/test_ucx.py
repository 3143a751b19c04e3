"""Transports in UCX's output, from the logs of ucx.yaml."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from verify.ucx import transports

TYPED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("ucx.yaml").read_text())


@pytest.mark.parametrize("case", TYPED["transports"])
def test_transports_of_kv_blocks(case: dict[str, Any]) -> None:
    seen = transports(*map("".join, case["logs"]))
    assert {kind: sorted(getattr(seen, kind)) for kind in ("rdma", "tcp", "local")} == {
        kind: case.get(kind, []) for kind in ("rdma", "tcp", "local")
    }


@pytest.mark.parametrize("case", TYPED["own workers"])
def test_what_nixls_workers_of_one_process_say_of_each_other_is_no_evidence(case: dict[str, Any]) -> None:
    test_transports_of_kv_blocks(case)
