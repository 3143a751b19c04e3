"""Cluster descriptions: valid ones, refused ones, and those in the repository."""

import argparse
from pathlib import Path

import pytest

from sandbox import __main__ as commands
from sandbox.cluster import description, nodes
from sandbox.errors import SandboxError
from sandbox.home import Home
from sandbox.progress import Progress
from sandbox.session import Session

GROUP = "{count: 2, gpus: 8, cpu: 192, memory: 2Ti, disk: 27Ti"


def written(folder: Path, text: str) -> Path:
    file = folder / "mine.yaml"
    file.write_text(text)
    return file


def test_all_problems_are_reported_with_place_and_remedy(tmp_path: Path) -> None:
    wrong = f"""
podSecurity: base
nodes:
  - {GROUP}, gpu: 4, rdma: {{ib: 1}}, labels: {{a: true}}, taints: [{{key: k, effect: Never}}]}}
  - {{name: cpus, count: 0, cpu: lots, memory: 1Gi}}
  - {{count: 1, cpu: 1, memory: 1Gi, disk: 1Gi}}
admissionPolicies: [{{apiVersion: v1, kind: Pod}}]
"""
    with pytest.raises(SandboxError) as refusal:
        description.read(written(tmp_path, wrong))
    message = " ".join(str(refusal.value).split())
    for words in (
        "podSecurity = 'base' wrong: Input should be 'privileged', 'baseline' or 'restricted'",
        "nodes[0].gpu wrong: is not a setting; did you mean gpus?",
        "nodes[0].rdma.ib = 'ib' wrong: has characters that Kubernetes does not take here change: write resources and "
        "their numbers, such as {rdma/ib: 63}",
        "nodes[0].labels.a = True",
        "nodes[0].taints[0].effect = 'Never'",
        "nodes[1].count = 0",
        "nodes[1].cpu = 'lots'",
        "nodes[1].disk wrong: is missing change: write the ephemeral storage of one node",
        "nodes[2] wrong: has neither GPUs nor a name",
        "admissionPolicies[0].kind = 'Pod'",
        "admissionPolicies[0].metadata wrong: is missing",
    ):
        assert words in message, f"{words}\n\nis not in\n\n{refusal.value}"


@pytest.mark.parametrize("text", ["", "- 1", "nodes: [", "nodes: []", f"nodes: [{GROUP}}}, {GROUP}}}]"])
def test_files_without_a_cluster_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"mine\.yaml"):
        description.read(written(tmp_path, text))


def test_an_unknown_name_is_refused_with_the_nearest_and_all_names(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"Did you mean CLUSTER=aws-efa\? .*rdma-sriov"):
        description.find("aws-eaf")
    with pytest.raises(SandboxError, match=r"there is no file .*/gone\.yaml"):
        description.find(f"{tmp_path}/gone.yaml")


def test_a_named_description_is_kept_until_another_is_named(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert not description.choose(home, None).chosen
    description.remember(home, description.choose(home, None))
    assert not description.choose(home, None).chosen
    file = written(tmp_path, f"nodes: [{GROUP}}}]")
    description.remember(home, description.choose(home, str(file)))
    later = description.choose(home, None)
    assert (later.name, later.chosen, later.given) == (str(file), True, False)
    file.unlink()
    with pytest.raises(SandboxError, match="remembers a description that is gone"):
        description.choose(home, None)
    description.remember(home, description.choose(home, "default"))
    assert description.choose(home, None).name == "default"


def command(name: str, *words: str) -> argparse.Namespace:
    return commands._parser().parse_args([name, "--stack", "cloud", *words])


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A checkout with a stack for AWS."""
    text = "config: {'llm-d-pd:serving': {accelerator: nvidia, infrastructure: aws-efa}}"
    (tmp_path / "Pulumi.cloud.yaml").write_text(text)
    monkeypatch.setattr(commands, "CHECKOUT", tmp_path)
    monkeypatch.setattr(Session, "ready", lambda *_, **__: pytest.fail("it went on"))
    return Home(tmp_path / "home")


@pytest.mark.parametrize("name", ["up", "preview", "policy", "preflight"])
def test_an_infrastructure_with_a_description_stops_with_the_command_to_type(name: str, cloud: Home) -> None:
    with pytest.raises(SandboxError, match=f"make {name} STACK=cloud CLUSTER=aws-efa\n"):
        commands._ready(command(name), cloud, Progress())


def test_a_setting_of_the_same_command_counts(cloud: Home) -> None:
    words = ("--set", "serving.infrastructure=gke-roce")
    with pytest.raises(SandboxError, match="CLUSTER=gke-roce\n"):
        commands._ready(command("up", *words), cloud, Progress())


@pytest.mark.parametrize("words", [("destroy",), ("up", "--cluster", "default"), ("up", "--cluster", "oci-amd")])
def test_other_commands_and_those_with_a_cluster_go_on(words: tuple[str, ...], cloud: Home) -> None:
    with pytest.raises(pytest.fail.Exception, match="it went on"):
        commands._ready(command(*words), cloud, Progress())


@pytest.mark.parametrize("count", [0, 251])
def test_a_count_beyond_the_address_range_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(SandboxError, match=f"--nodes {count}"):
        nodes.provide(tmp_path, description.default(), "amd", count)
