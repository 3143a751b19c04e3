import pytest

from sandbox.cluster.api import Object
from sandbox.pods.environment import ConfigError, environment, expanded, field, resolver, words
from sandbox.pods.quantity import divided, number

POD: Object = {
    "metadata": {
        "name": "decode-0",
        "namespace": "llm-d-pd",
        "uid": "u1",
        "labels": {"llm-d.ai/role": "decode", "a": 'say "hi"'},
        "annotations": {"note": "x"},
    },
    "spec": {"nodeName": "amd-0", "serviceAccountName": "sa", "containers": []},
    "status": {
        "podIP": "10.244.0.7",
        "podIPs": [{"ip": "10.244.0.7"}],
        "hostIP": "10.244.254.1",
        "hostIPs": [{"ip": "10.244.254.1"}],
    },
}
STORED: dict[tuple[str, str], Object] = {
    ("secret", "token"): {"data": {"HF_TOKEN": "hf_1"}},
    ("configmap", "settings"): {"data": {"LEVEL": "debug", "SIZE": "3"}},
}


def variables(*env: Object, pod: Object = POD, **container: object) -> dict[str, str]:
    return environment({"env": list(env), **container}, pod, lambda *key: STORED.get(key), {"BASE": "0"})


class TestValues:
    def test_a_value_may_use_what_stands_before_it(self) -> None:
        found = variables(
            {"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(BASE)-$(C)-$$(A)"}, {"name": "C", "value": "3"}
        )
        assert found["B"] == "10-$(C)-$(A)"

    def test_a_variable_without_a_value_is_empty(self) -> None:
        assert variables({"name": "A"})["A"] == ""

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("metadata.name", "decode-0"),
            ("metadata.namespace", "llm-d-pd"),
            ("metadata.uid", "u1"),
            ("metadata.labels['llm-d.ai/role']", "decode"),
            ("metadata.annotations['note']", "x"),
            ("metadata.labels['absent']", ""),
            ("spec.nodeName", "amd-0"),
            ("spec.serviceAccountName", "sa"),
            ("status.podIP", "10.244.0.7"),
            ("status.podIPs", "10.244.0.7"),
            ("status.hostIP", "10.244.254.1"),
            ("status.hostIPs", "10.244.254.1"),
        ],
    )
    def test_fields_of_the_pod(self, path: str, value: str) -> None:
        assert variables({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": path}}})["A"] == value

    def test_all_labels_are_lines_with_quoted_values(self) -> None:
        assert field("metadata.labels", POD) == 'a="say \\"hi\\""\nllm-d.ai/role="decode"'

    @pytest.mark.parametrize(
        ("resource", "divisor", "value"),
        [
            ("limits.cpu", None, "2"),
            ("limits.cpu", "1m", "1500"),
            ("requests.memory", "1Gi", "2"),
            ("limits.x", None, "0"),
        ],
    )
    def test_resources_are_counted_in_divisors_and_rounded_up(
        self, resource: str, divisor: str | None, value: str
    ) -> None:
        reference = {"resource": resource} | ({"divisor": divisor} if divisor else {})
        resources = {"limits": {"cpu": "1500m"}, "requests": {"memory": "1.5Gi"}}
        found = variables({"name": "A", "valueFrom": {"resourceFieldRef": reference}}, resources=resources)
        assert found["A"] == value


class TestSources:
    def test_keys_of_secrets_and_config_maps(self) -> None:
        secret = {"secretKeyRef": {"name": "token", "key": "HF_TOKEN"}}
        found = variables(
            {"name": "A", "valueFrom": secret},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "LEVEL"}}},
        )
        assert (found["A"], found["B"]) == ("hf_1", "debug")

    def test_whole_config_maps_with_a_prefix_come_before_variables(self) -> None:
        found = variables(
            {"name": "X_SIZE", "value": "4"}, envFrom=[{"prefix": "X_", "configMapRef": {"name": "settings"}}]
        )
        assert (found["X_LEVEL"], found["X_SIZE"]) == ("debug", "4")

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ({"secretKeyRef": {"name": "none", "key": "K"}}, 'secret "none" not found'),
            ({"configMapKeyRef": {"name": "none", "key": "K"}}, 'configmap "none" not found'),
            ({"secretKeyRef": {"name": "token", "key": "K"}}, "couldn't find key K in Secret llm-d-pd/token"),
        ],
    )
    def test_what_is_missing_is_named_as_a_kubelet_names_it(self, source: Object, words: str) -> None:
        with pytest.raises(ConfigError) as error:
            variables({"name": "A", "valueFrom": source})
        assert str(error.value) == words

    @pytest.mark.parametrize("name", ["none", "token"])
    def test_an_optional_key_that_is_missing_leaves_no_variable(self, name: str) -> None:
        reference = {"name": name, "key": "K", "optional": True}
        assert "A" not in variables({"name": "A", "valueFrom": {"secretKeyRef": reference}})

    def test_optional_sources_may_be_missing(self) -> None:
        assert variables(envFrom=[{"secretRef": {"name": "none", "optional": True}}]) == {"BASE": "0"}
        with pytest.raises(ConfigError, match='secret "none" not found'):
            variables(envFrom=[{"secretRef": {"name": "none"}}])


def test_the_command_replaces_the_images_entrypoint_and_arguments_follow() -> None:
    values = {"PORT": "8000"}
    assert words({"args": ["--port=$(PORT)"]}, ("/app/epp",), values) == ["/app/epp", "--port=8000"]
    assert words({"command": ["vllm", "$(PORT)"], "args": ["$$(PORT)"]}, ("x",), values) == ["vllm", "8000", "$(PORT)"]
    assert expanded("$(NONE) $PORT ${PORT} $(", values) == "$(NONE) $PORT ${PORT} $("


@pytest.mark.parametrize(
    ("quantity", "value"), [("500m", 0.5), ("16Gi", 16 * 2**30), ("1k", 1000), ("2", 2), ("1e3", 1000), ("0.5", 0.5)]
)
def test_quantities(quantity: str, value: float) -> None:
    assert number(quantity) == value


def test_a_quantity_is_divided_upwards() -> None:
    assert divided("1500m", "1") == 2
    with pytest.raises(ValueError, match="no quantity"):
        number("many")


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
        (
            {
                "dnsPolicy": "None",
                "dnsConfig": {
                    "nameservers": ["10.0.0.1"],
                    "searches": ["a.example"],
                    "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
                },
            },
            "nameserver 10.0.0.1\nsearch a.example\noptions ndots:2 edns0\n",
        ),
    ],
)
def test_pods_ask_the_clusters_dns_unless_their_policy_says_otherwise(spec: Object, text: str) -> None:
    assert resolver({**POD, "spec": {**POD["spec"], **spec}}) == text
