"""Settings that cannot work are refused before the first resource is registered."""

from typing import Any

import pulumi
import pytest

from tests.program.wire import AMD
from tests.recorder import Recorder, run_program


def _refused(serving: dict[str, Any] | None, **more: Any) -> str:
    recorder = Recorder()
    with pytest.raises(pulumi.RunError) as error:
        run_program(serving, recorder=recorder, **more)
    assert recorder.declared == {}, "something was registered before the settings were refused"
    assert not [message for message in recorder.messages if "registering resource: ty=kubernetes" in message]
    return str(error.value)


def test_all_problems_come_at_once() -> None:
    text = _refused({**AMD, "cluster": {"context": "absent"}, "ports": {"nixl": 8000}, "prefil": {}}, token=None)
    for path in ("serving.cluster.context", "serving.ports", "serving.prefil", "hfToken"):
        assert path in text, path


def test_a_named_context_that_is_missing_is_a_warning_in_a_preview() -> None:
    recorder = run_program({**AMD, "release": "0.6", "cluster": {"context": "absent"}}, preview=True)
    assert recorder.objects
    [warning] = [message for message in recorder.messages if message.startswith("warning")]
    assert "serving.cluster.context" in warning
    assert "gpus, other" in warning
