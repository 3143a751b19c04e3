"""Fallbacks of the routing sidecar to decode only; more logs are in `cases/fallbacks.yaml`."""

from verify.fallbacks import sidecar_said
from verify.finding import Outcome

HUNG_UP = """\
{"level":"error","ts":"2026-11-28T15:20:01Z","msg":"http: proxy error","error":"context canceled"}
{"level":"error","ts":"2026-11-28T15:20:01Z","logger":"proxy","msg":"request failed","code":502}
{"level":"info","ts":"2026-11-28T15:20:01Z","logger":"proxy","msg":"fallback to decode","request_id":"1"}
"""


def test_a_client_that_hangs_up_is_no_failed_prefill_worker() -> None:
    assert sidecar_said(HUNG_UP.splitlines()).outcome is Outcome.OK
