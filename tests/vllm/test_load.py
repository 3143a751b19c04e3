"""`verify --load` against real vLLM: what it measures, and the block that sizing takes."""

import re
import sys

import pytest
import yaml

from tests.stack_file import settings
from tests.vllm.pair import STACK, Pair, sandbox

pytestmark = pytest.mark.vllm

INPUT, OUTPUT, STREAMS = 300, 16, 2


def test_a_load_gives_the_rates_that_a_stack_file_takes(pair: Pair) -> None:
    load = ("--load", f"--input-tokens={INPUT}", f"--output-tokens={OUTPUT}", f"--concurrency={STREAMS}")
    done = sandbox(pair.home, "verify", "--stack", STACK, "--", "--requests", "1", *load)
    said = done.stdout
    sys.stdout.write(said)
    assert done.returncode == 0, said
    assert f"load: prompts of {INPUT} tokens, answers of {OUTPUT}, {STREAMS} at a time; 8 requests\n" in said
    rows = re.findall(r"^(time to first token|time per further token|KV transfer), (ms|MB) +(.+)$", said, re.MULTILINE)
    assert [row[0] for row in rows] == ["time to first token", "time per further token", "KV transfer", "KV transfer"]
    for *_, numbers in rows:
        p50, p90, p99 = map(float, numbers.split())
        assert 0 < p50 <= p90 <= p99
    block = yaml.safe_load(said[said.index("  llm-d-pd:serving:") :].split("\n\n")[0])
    given = block["llm-d-pd:serving"]["load"]
    measured = settings(load={"inputTokens": INPUT, "outputTokens": OUTPUT, **given}).load
    assert measured
    assert measured.measured
    assert measured.measured.prefill > 0
    assert measured.measured.decode > 0
    blocks = -(-INPUT // 128)
    found = re.search(r"(\d+) KV transfers of ([0-9.]+) MB", said)
    assert found
    assert int(found[1]) >= 8
    assert float(found[2]) == pytest.approx(blocks * pair.block / 1e6, rel=0.15)
    jobs = pair.api.get("/apis/batch/v1/namespaces/llm-d-pd/jobs")["items"]
    assert [each for each in jobs if "deletionTimestamp" not in each["metadata"]] == []
