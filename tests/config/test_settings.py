"""Every setting that is wrong by itself is refused with its path, what is wrong and what to change."""

import json
from typing import Any

import pytest

from components.config.reading import settings_of
from components.config.vocabulary import Accelerator, ReleaseName
from tests.stack_file import problems, settings, stack_file

WRONG: list[tuple[dict[str, Any], str, str, str]] = [  # tests/corpus has others
    # unknown keys, everywhere, with the nearest known one
    ({"hostnetwork": True}, "serving.hostnetwork", "did you mean hostNetwork?", "rename or delete it"),
    ({"host_network": True}, "serving.host_network", "did you mean hostNetwork?", "rename or delete it"),
    ({"prefill__replica": 2}, "serving.prefill.replica", "did you mean replicas?", "tensorParallel"),
    ({"decode__rollout__startBudget": 2}, "serving.decode.rollout.startBudget", "mean startupBudget?", "rename"),
    ({"routing__selectivePd": {"treshold": 5}}, "serving.routing.selectivePd.treshold", "mean threshold?", "rename"),
    ({"prefill__tolerations": [{"ky": "x"}]}, "serving.prefill.tolerations[0].ky", "did you mean key?", "rename"),
    # types: never coerced, and the message says how to write it
    ({"prefill__replicas": "4"}, "serving.prefill.replicas", "is text, a whole number is needed", "without quotes"),
    ({"prefill__replicas": True}, "serving.prefill.replicas", "is true or false", "a whole number"),
    ({"prefill__tensorParallel": None}, "serving.prefill.tensorParallel", "is null", "a whole number"),
    ({"hostNetwork": "true"}, "serving.hostNetwork", "is text", "config set --path serving.hostNetwork true"),
    ({"prefill__extraArgs": [1]}, "serving.prefill.extraArgs[0]", "text is needed", "in quotes"),
    ({"prefill__env": ["A=1"]}, "serving.prefill.env", "is a list, an object is needed", "write an object"),
    # versions that YAML takes for numbers
    ({"release": 0.6}, "serving.release", "is the number 0.6 to YAML", 'release: "0.6"'),
    ({"release": 0.9}, "serving.release", "is the number 0.9 to YAML", "--type string serving.release 0.9"),
    ({"release": 0.10}, "serving.release", "is the number 0.1 to YAML", 'release: "0.10"'),
    ({"release": 7.5}, "serving.release", "is a number to YAML", "--type string"),
    ({"postfix": 7}, "serving.postfix", "is a number to YAML", "--type string"),
    # closed vocabularies
    ({"release": "0.5"}, "serving.release", "is none of 0.10, 0.9, 0.6, 0.4", "one of them"),
    ({"prefill__capabilities": ["ALL"]}, "serving.prefill.capabilities[0]", "IPC_LOCK", "one of them"),
    # ranges
    ({"ports__nixl": 65536}, "serving.ports.nixl", "is above 65535", "at most 65535"),
    ({"decode__rollout__startupBudget": 0}, "serving.decode.rollout.startupBudget", "is below 1", "at least 1"),
    # quantities
    ({"prefill__cpu": "8 cores"}, "serving.prefill.cpu", "is not a Kubernetes quantity", "500m"),
    ({"prefill__memory": "64GB"}, "serving.prefill.memory", "is not a Kubernetes quantity", "64Gi"),
    ({"prefill__memory": "-1Gi"}, "serving.prefill.memory", "is not a Kubernetes quantity", "64Gi"),
    ({"prefill__memory": "0Gi"}, "serving.prefill.memory", "is zero", "above zero"),
    ({"model__storage": [100]}, "serving.model.storage", "is not a quantity", "64Gi"),
    ({"decode__shmSize": "16 Gi"}, "serving.decode.shmSize", "is not a Kubernetes quantity", "64Gi"),
    # names
    ({"namespace": "a" * 64}, "serving.namespace", "is not a DNS label", "1 to 63"),
    ({"postfix": "pd_2"}, "serving.postfix", "is not a DNS label", "lower-case"),
    ({"postfix": "-pd"}, "serving.postfix", "is not a DNS label", "beginning and ending"),
    ({"model__name": "not a model"}, "serving.model.name", "does not have the form", "in that form"),
    ({"prefill__nodeSelector": {"a b": "x"}}, 'serving.prefill.nodeSelector["a b"]', "is not a label", "[domain/]name"),
    ({"prefill__nodeSelector": {"zone": "a b"}}, "serving.prefill.nodeSelector.zone", "is not a label value", "63"),
    # extended resources, as kube-apiserver takes them
    ({"rdma": {"resource": "kubernetes.io/rdma"}}, "serving.rdma.resource", "kept for native", "kubectl get nodes"),
    ({"rdma": {"resource": "requests.rdma/ib"}}, "serving.rdma.resource", "kept for quotas", "kubectl get nodes"),
    ({"rdma": {"resource": "RDMA/ib"}}, "serving.rdma.resource", "not a DNS name", "kubectl get nodes"),
    ({"rdma": {"resource": "rdma/" + "i" * 64}}, "serving.rdma.resource", "1 to 63", "kubectl get nodes"),
    ({"rdma": {"resource": "rdma/ib/x"}}, "serving.rdma.resource", "1 to 63", "kubectl get nodes"),
    (
        {"rdma": {"resource": "rdma/ib", "network": "a/b/c"}},
        "serving.rdma.network",
        "not the name of a network",
        "namespace/name",
    ),
    (
        {"rdma": {"resource": "rdma/ib", "network": "Vf"}},
        "serving.rdma.network",
        "not the name of a network",
        "namespace/name",
    ),
    # UCX
    ({"ucx__tls": "self,rocm,rdma"}, "serving.ucx.tls", "does not know: rdma", "ucx_info -d"),
    ({"ucx__tls": []}, "serving.ucx.tls", "none given", "ucx_info -d"),
    ({"ucx__netDevices": "mlx5_0:one"}, "serving.ucx.netDevices", "mlx5_0:one", "mlx5_0:1"),
    ({"ucx__ibTrafficClass": "high"}, "serving.ucx.ibTrafficClass", "from 0 to 255", "41"),
    ({"decode__ucx__logLevel": "verbose"}, "serving.decode.ucx.logLevel", "is none of", "one of them"),
    ({"ucx__protoInfo": "y"}, "serving.ucx.protoInfo", "true or false is needed", "true or false"),
    # selective P/D: a bare number says nothing, and 0 means opposite things
    ({"routing__selectivePd": 0}, "serving.routing.selectivePd", "in what unit", "nonCachedTokens"),
    ({"routing__selectivePd": {"nonCachedTokens": 0}}, "serving.routing.selectivePd.nonCachedTokens", "is 0", "always"),
]


@pytest.mark.parametrize(("change", "path", "wrong", "remedy"), WRONG, ids=lambda value: str(value)[:60])
def test_a_wrong_setting_is_refused_with_path_and_remedy(
    change: dict[str, Any], path: str, wrong: str, remedy: str
) -> None:
    found = problems(**change)
    assert list(found) == [path], "exactly one problem, and no consequence of it as a second"
    assert wrong in found[path].wrong
    assert remedy in found[path].change
    assert found[path].outcome


def test_all_problems_are_found_at_once() -> None:
    found = problems(
        hostnetwork=True, prefill__replicas="4", release=0.6, decode__env={"A B": "1"}, decode__tensorParallel=16
    )
    assert set(found) == {
        "serving.hostnetwork",
        "serving.prefill.replicas",
        "serving.release",
        'serving.decode.env["A B"]',
        "serving.decode.tensorParallel",
    }


def test_several_wrong_items_of_one_list_keep_their_places() -> None:
    found = problems(prefill__extraArgs=[1, "--seed=1", 2])
    assert set(found) == {"serving.prefill.extraArgs[0]", "serving.prefill.extraArgs[2]"}


@pytest.mark.parametrize("raw", ["text", [], 7, None])
def test_something_else_than_an_object_is_refused(raw: Any) -> None:
    _, [problem] = settings_of(raw)
    assert (problem.path, problem.wrong) == ("serving", "is not an object")


def test_values_that_may_be_tokens_are_not_shown() -> None:
    found = problems(prefill__env={"MY TOKEN": "hf_abc"}, hfToken="hf_abc", decode__token="hf_abc")
    assert len(found) == 3
    assert "hf_abc" not in "".join(problem.text() for problem in found.values())


def test_natural_spellings_are_accepted() -> None:
    """What `pulumi config set --path` writes: numbers for quantities and variables, comma lists for UCX."""
    result = settings(
        prefill__cpu=8,
        prefill__memory=1.5,
        prefill__env={"A": 1, "B": True, "C": 0.5, "D": "x"},
        ucx__tls="self, sm,rc",
        ucx__netDevices=["mlx5_[0-3]:1", "eth0"],
        ucx__ibGidIndex="auto",
        rdma={"resource": "rdma/ib", "count": "tensorParallel"},
    )
    assert (result.prefill.cpu, result.prefill.memory) == ("8", "1.5")
    assert result.prefill.env == {"A": "1", "B": "true", "C": "0.5", "D": "x"}
    assert result.ucx.tls == ["self", "sm", "rc"]
    assert result.rdma is not None
    assert result.rdma.count == "tensorParallel"


def test_the_word_null_is_meant_where_null_means_something() -> None:
    """`pulumi config set --path serving.decode.rdma null` writes the word."""
    unset = settings(rdma="null", infrastructure="null")
    assert (unset.rdma, unset.infrastructure) == (None, None)
    result = settings(model__tokenSecret="null", decode__rdma="null", rdma={"resource": "rdma/ib"})
    assert result.model.token_secret is None
    assert result.decode.rdma is None
    assert "rdma" in result.decode.model_fields_set


def test_the_least_file_is_the_guide() -> None:
    result = settings()
    assert result.accelerator is Accelerator.AMD
    assert result.release is ReleaseName.V0_6
    assert (result.prefill.replicas, result.prefill.tensor_parallel) == (4, 1)
    assert (result.decode.replicas, result.decode.tensor_parallel) == (1, 4)
    assert (result.namespace, result.postfix, result.create_namespace) == ("llm-d-pd", "pd", True)


def test_reading_changes_nothing_in_what_it_is_given() -> None:
    raw = stack_file(prefill__replicas="4")
    before = json.dumps(raw)
    settings_of(raw)
    assert json.dumps(raw) == before
