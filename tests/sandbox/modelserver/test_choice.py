from pathlib import Path

from sandbox.modelserver import choice
from sandbox.modelserver.choice import Vllm


def test_a_new_sandbox_has_vllms_cache_of_the_model(tmp_path: Path) -> None:
    cached = tmp_path / "model" / "vllm-cache" / "modelinfos" / "llama.json"
    cached.parent.mkdir(parents=True)
    cached.write_text("{}")
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    for ranks in (1, 2):
        chosen = Vllm("/venv", str(tmp_path / "model"), ranks)
        choice.write(sandbox, chosen)
        assert choice.read(sandbox) == chosen
    cache = sandbox / "model-server-cache"
    assert (cache / "modelinfos" / "llama.json").read_text() == "{}"
    assert cache.stat().st_mode & 0o7777 == 0o1777
    choice.write(sandbox, None)
    assert choice.read(sandbox) is None
