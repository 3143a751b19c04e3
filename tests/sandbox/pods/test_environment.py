"""Environment and name resolution, where a milder pod runner would hide a fault of the program's pods."""

import pytest

from sandbox.cluster.api import Object
from sandbox.pods.environment import ConfigError, environment, resolver

POD: Object = {
    "metadata": {"name": "decode-0", "namespace": "llm-d-pd"},
    "spec": {"nodeName": "amd-0", "containers": []},
    "status": {"podIP": "10.244.0.7"},
}
STORED: dict[tuple[str, str], Object] = {("secret", "token"): {"data": {"HF_TOKEN": "hf_1"}}}


def variables(*env: Object) -> dict[str, str]:
    return environment({"env": list(env)}, POD, lambda *key: STORED.get(key), {"BASE": "0"})


def test_a_value_may_use_what_stands_before_it_only() -> None:
    found = variables(
        {"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(BASE)-$(C)-$$(A)"}, {"name": "C", "value": "3"}
    )
    assert found["B"] == "10-$(C)-$(A)"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"secretKeyRef": {"name": "none", "key": "K"}}, 'secret "none" not found'),
        ({"configMapKeyRef": {"name": "none", "key": "K"}}, 'configmap "none" not found'),
        ({"secretKeyRef": {"name": "token", "key": "K"}}, "couldn't find key K in Secret llm-d-pd/token"),
    ],
)
def test_what_is_missing_is_an_error_unless_it_is_optional(source: Object, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        variables({"name": "A", "valueFrom": source})
    assert str(error.value) == words
    [(kind, reference)] = source.items()
    assert "A" not in variables({"name": "A", "valueFrom": {kind: {**reference, "optional": True}}})


CLUSTERS = (
    "nameserver 10.244.255.254\nsearch llm-d-pd.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({}, CLUSTERS),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, CLUSTERS),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirst"}, ""),
        ({"dnsPolicy": "Default"}, ""),
    ],
)
def test_pods_ask_the_clusters_dns_unless_their_policy_says_otherwise(spec: Object, text: str) -> None:
    assert resolver({**POD, "spec": {**POD["spec"], **spec}}) == text
