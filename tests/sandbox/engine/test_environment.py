"""The environment of the CLI: nothing of the caller, and official executables if this machine has them."""

from importlib.metadata import version
from pathlib import Path

from sandbox.engine import environment
from sandbox.engine.environment import HOST, PLUGIN, Official
from sandbox.home import Home


def test_nothing_of_the_caller_leaks_in(tmp_path: Path) -> None:
    foreign = {
        *("PULUMI_ACCESS_TOKEN", "PULUMI_K8S_ENABLE_PATCH_FORCE", "KUBERNETES_SERVICE_HOST"),
        *("HTTPS_PROXY", "https_proxy"),
    }
    replaced = {"KUBECONFIG", "PULUMI_BACKEND_URL", "PULUMI_HOME"}
    env = environment._environment(Home(tmp_path), tmp_path, dict.fromkeys(foreign | replaced, "the caller's"))
    assert not foreign & set(env)
    assert "the caller's" not in env.values()
    assert all(str(tmp_path) in env[name] for name in replaced)


def test_an_official_plugin_of_the_user_is_used_in_its_newest_patch(tmp_path: Path) -> None:
    minor = version("pulumi-kubernetes").rpartition(".")[0]
    for patch in ("0", "9", "10"):
        folder = tmp_path / f"plugins/resource-kubernetes-v{minor}.{patch}"
        folder.mkdir(parents=True)
        (folder / PLUGIN).touch()
    found = environment.find_official(tmp_path / "pulumi", {"PATH": "", "PULUMI_HOME": str(tmp_path)})
    assert found == Official(None, tmp_path / f"plugins/resource-kubernetes-v{minor}.10")


def test_the_language_host_beside_the_cli_is_used(tmp_path: Path) -> None:
    """As in the official archive of the CLI, also if a link names the CLI."""
    (tmp_path / "official").mkdir()
    for name in ("pulumi", HOST):
        (tmp_path / "official" / name).touch()
    (tmp_path / "pulumi").symlink_to("official/pulumi")
    nowhere = {"PATH": "", "PULUMI_HOME": str(tmp_path)}
    assert environment.find_official(tmp_path / "pulumi", nowhere) == Official(tmp_path / "official", None)
    assert environment.find_official(tmp_path / "none" / "pulumi", nowhere) == Official(None, None)
