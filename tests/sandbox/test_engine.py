"""The real CLI in the sandbox: its environment, the view of a stack file, and the stand-in for the Kubernetes plugin.

The view leaves out values of a stack file, and drops edits when the tracked file changes; notes name both.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.config.settings import Serving
from sandbox import release
from sandbox.cluster.api import Api
from sandbox.engine import environment
from sandbox.engine.environment import HOST, PLUGIN, Official
from sandbox.engine.kubernetes import server
from sandbox.engine.stack_files import View
from sandbox.home import Home
from tests.sandbox.project import declare, obj, project
from tests.sandbox.running import Running, provide_nodes


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


TRACKED = """\
# a comment
encryptionsalt: v1:GJx2ANOTHER:v1:ELSES:SALT
config:
  llm-d-pd:hfToken: {secure: v1:another:key}
  llm-d-pd:serving:
    accelerator: amd
    release: "0.6"
    hidden: {secure: v1:another:key}
    list: [1, {secure: v1:another:key}, 3]
environment: [cloud/shared]
"""


@pytest.fixture
def view(tmp_path: Path) -> View:
    (tmp_path / "Pulumi.yaml").write_text("name: llm-d-pd\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(TRACKED)
    (tmp_path / "view").mkdir()
    return View(tmp_path / "view", tmp_path, "dev")


def copied(view: View) -> list[str]:
    """Copy the stack file as `prepare` does, with a stand-in for `pulumi config set --secret`; return the notes."""
    return view.copy_stack(lambda key, value: edited(view, key, {"secure": value}))


def edited(view: View, key: str, value: object) -> None:
    content = yaml.safe_load(view.stack_file.read_text())
    content["config"][key] = value
    view.stack_file.write_text(yaml.safe_dump(content))


def config(view: View) -> dict[str, object]:
    return dict(yaml.safe_load(view.stack_file.read_text())["config"])


def test_values_encrypted_with_another_key_are_left_out_and_named(view: View) -> None:
    assert [note.partition(":")[2].partition(" is left out")[0].strip() for note in copied(view)] == [
        "environment",
        "llm-d-pd:serving.hidden",
        "llm-d-pd:serving.list[1]",
    ]
    assert config(view) == {
        "llm-d-pd:serving": {"accelerator": "amd", "release": "0.6", "list": [1, 3]},
        "llm-d-pd:hfToken": {"secure": "sandbox-placeholder"},
    }
    assert "ANOTHER" not in view.stack_file.read_text()


def test_edits_stay_until_the_tracked_file_changes_and_are_then_named(view: View) -> None:
    copied(view)
    edited(view, "llm-d-pd:serving", {"accelerator": "nvidia", "release": "0.6", "hostNetwork": True, "list": [1, 3]})
    [differs] = copied(view)
    assert "differs in llm-d-pd:serving.accelerator, llm-d-pd:serving.hostNetwork (" in differs
    assert "pulumi config rm --path" in differs

    view.tracked_file.write_text(TRACKED.replace("0.6", "0.4"))
    dropped = copied(view)[-1]
    assert "llm-d-pd:serving.accelerator, llm-d-pd:serving.hostNetwork" in dropped and "release" not in dropped
    assert config(view)["llm-d-pd:serving"] == {"accelerator": "amd", "release": "0.4", "list": [1, 3]}
    assert config(view)["llm-d-pd:hfToken"] == {"secure": "sandbox-placeholder"}


UNNAMED = TRACKED.replace('    release: "0.6"\n', "")
NOTE = (
    'Pulumi.dev.yaml names no serving.release: the sandbox runs "0.6" in place of the default "0.9", which needs '
    "epp-v0.10.0 and pd-sidecar-v0.10.0 on PATH and SET='serving.release=\"0.9\"'"
)


def test_a_file_that_names_no_release_gets_one_that_the_sandbox_can_run(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    view.tracked_file.write_text(UNNAMED)
    assert copied(view)[-1] == NOTE
    assert config(view)["llm-d-pd:serving"] == {"accelerator": "amd", "list": [1, 3], "release": "0.6"}
    assert copied(view) == [NOTE], "no edit of the user is reported"
    view.tracked_file.write_text(UNNAMED.replace("amd", "nvidia"))
    assert [note for note in copied(view) if "are gone" in note] == []
    edited(view, "llm-d-pd:serving", {"accelerator": "nvidia", "release": "0.9"})
    [differs] = copied(view)
    assert "llm-d-pd:serving.release" in differs
    assert config(view)["llm-d-pd:serving"] == {"accelerator": "nvidia", "release": "0.9"}


def test_with_its_programs_on_path_the_default_release_stays(
    view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert release.DEFAULT == Serving.model_fields["release"].default.value == "0.9"
    for name in ("epp-v0.10.0", "pd-sidecar-v0.10.0"):
        assert release.substitute() == "0.6"
        (tmp_path / name).touch(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
    view.tracked_file.write_text(UNNAMED)
    assert NOTE not in copied(view)
    assert config(view)["llm-d-pd:serving"] == {"accelerator": "amd", "list": [1, 3]}


@pytest.mark.thorough
def test_a_field_that_is_ignored_stays_with_whoever_changed_it(tmp_path: Path, cluster: Running, api: Api) -> None:
    """Measured on the official plugin 4.32: 4, then left to an autoscaler, scaled to 6, then fixed again."""
    provide_nodes(cluster)
    stack = project(tmp_path, cluster)
    path = "/apis/apps/v1/namespaces/default/deployments/workers"
    labels = {"app": "workers"}

    def workers(replicas: int, image: str, *, ignored: bool) -> None:
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        opts = {"ignore_changes": ["spec.replicas"]} if ignored else {}
        declare(stack, workers=obj("apps/v1:Deployment", "workers", "default", opts=opts, spec=spec))

    def replicas() -> int:
        return int(api.get(path)["spec"]["replicas"])

    workers(4, "pause:1", ignored=False)
    stack.up()

    workers(1, "pause:1", ignored=True)
    stack.pulumi("preview", "--expect-no-changes")
    stack.up()
    assert replicas() == 4, "what the tier had, not what it would begin with"

    api.patch(f"{path}/scale", {"spec": {"replicas": 6}}, "application/merge-patch+json", fieldManager="autoscaler")
    stack.pulumi("preview", "--expect-no-changes")
    workers(1, "pause:2", ignored=True)
    stack.up()
    assert replicas() == 6
    stack.pulumi("refresh", "--yes")
    stack.pulumi("preview", "--expect-no-changes")
    workers(1, "pause:1", ignored=True)
    stack.up()
    assert replicas() == 6

    workers(3, "pause:1", ignored=False)
    refused = stack.pulumi("up", "--yes", "--skip-preview", ok=False)
    assert refused.returncode
    assert 'conflict with "autoscaler"' in refused.stdout and ".spec.replicas" in refused.stdout
    assert replicas() == 6
    stack.pulumi("destroy", "--yes", "--skip-preview")


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, "the sandbox makes no names"),
        ({"name": "x", "annotations": {"pulumi.com/skipAwiat": "true"}}, "the sandbox knows only"),
        ({"name": "x", "annotations": {"pulumi.com/waitFor": "Programmed"}}, "'Programmed' is neither condition="),
    ],
)
def test_features_of_the_official_plugin_alone_are_refused(metadata: dict[str, Any], expected: str) -> None:
    refused = server.of_object({"kind": "ConfigMap", "metadata": {"namespace": "n", **metadata}})
    assert [expected in reason for _, reason in refused] == [True]
