"""Legal settings that may be a mistake: accepted, with a warning that names the setting."""

from components.plan import resolve
from tests.stack_file import settings


def test_a_stack_that_names_no_release_learns_what_its_vllm_does_when_a_prefill_worker_dies() -> None:
    [note] = resolve(settings(release="DELETE")).notes
    assert 'serving.release is not set, and this is "0.6"' in note
    assert "a prefill worker that dies ends the decode workers" in note
    assert 'Set serving.release: "0.9"' in note
    for named in ("0.6", "0.9"):
        assert not resolve(settings(release=named)).notes
    own = {"image": "registry.example.com/vllm:v0.26.0"}
    assert not resolve(settings(release="DELETE", prefill=own, decode=own)).notes
