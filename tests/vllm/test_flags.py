"""The table of flags matches vLLM's own parser."""

import os
import subprocess
from pathlib import Path

import pytest

from sandbox.home import CHECKOUT
from sandbox.modelserver import choice
from tests.vllm.pair import Pair

pytestmark = pytest.mark.vllm


def test_the_committed_table_is_the_generated_one(pair: Pair, tmp_path: Path) -> None:
    chosen = choice.read(pair.home.root)
    assert chosen
    script, file = CHECKOUT / "sandbox/modelserver/flags.py", tmp_path / "flags.json"
    environment = {**os.environ, "TORCHDYNAMO_DISABLE": "1", "VLLM_NO_USAGE_STATS": "1"}
    subprocess.run([f"{chosen.venv}/bin/python", script, file], env=environment, check=True, timeout=300)
    assert file.read_text() == (CHECKOUT / "sandbox/modelserver/flags_0_17.json").read_text()
