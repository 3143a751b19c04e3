"""Changes read from Pulumi's JSON: one per resource, with its fields and without secrets."""

import json
from typing import Any

import pytest

from components.pods.change_cost import TITLE
from review.changes import Preview, read
from review.fields import SECRET, Field, differences


def step(op: str, name: str, old: Any = None, new: Any = None, **more: Any) -> dict[str, Any]:
    """A step of a Kubernetes object; `old` and `new` are its spec."""

    def state(spec: Any) -> dict[str, Any]:
        meta = {"name": name, "namespace": "llm"}
        inputs = {"kind": "Deployment", "metadata": meta, "spec": spec}
        return {"type": "kubernetes:apps/v1:Deployment", "custom": True, "inputs": inputs}

    states = {key: state(spec) for key, spec in (("oldState", old), ("newState", new)) if spec is not None}
    return {"op": op, "urn": f"urn:pulumi:amd::p::x$kubernetes:apps/v1:Deployment::{name}", **states, **more}


def previewed(*steps: dict[str, Any], **more: Any) -> Preview:
    return read("amd", f"a line before\n{json.dumps({'steps': steps, **more})}\nand one after")


def test_each_resource_is_listed_once_and_the_most_dangerous_first() -> None:
    stack = {"op": "create", "urn": "urn:a::b::pulumi:pulumi:Stack::c", "newState": {"type": "pulumi:pulumi:Stack"}}
    component = {"op": "delete", "urn": "urn:a::b::llm-d-pd:index:X::c", "oldState": {"type": "l", "custom": False}}
    provider = {
        "op": "update",
        "urn": "urn:a::b::pulumi:providers:kubernetes::cluster",
        "oldState": {"custom": True, "inputs": {"context": "a"}},
        "newState": {"custom": True, "inputs": {"context": "b"}},
    }
    found = previewed(
        stack,
        component,
        provider,
        step("same", "still", {}, {}),
        step("create", "new", new={"replicas": 1}),
        step("update", "b", {"replicas": 1}, {"replicas": 2}),
        step("update", "a", {"replicas": 1}, {"replicas": 2}),
        step("delete-replaced", "other", {"replicas": 1}),
        step("replace", "other", {"replicas": 1}, {"replicas": 3}),
        step("create-replacement", "other", {"replicas": 1}, {"replicas": 3}),
        step("delete", "gone", {"replicas": 1}),
        changeSummary={"same": 12},
    )
    assert [(one.operation, one.subject) for one in found.changes] == [
        ("delete", "Deployment llm/gone"),
        ("replace", "Deployment llm/other"),
        ("update", "Deployment llm/a"),
        ("update", "Deployment llm/b"),
        ("update", "pulumi:providers:kubernetes cluster"),
        ("create", "Deployment llm/new"),
    ]
    assert found.changes[0].fields == ()
    assert found.changes[1].fields == (Field("spec.replicas", "1", "3"),)
    assert found.changes[4].fields == (Field("context", "a", "b"),)
    assert Field("metadata.name", None, "new") in found.changes[5].fields
    assert (found.unchanged, found.errors) == (12, ())


def test_an_unknown_operation_is_an_update() -> None:
    found = previewed(step("import", "a", new={"x": 1}), step("transmute", "b", {"x": 1}, {"x": 2}))
    assert [one.operation for one in found.changes] == ["update", "create"]


def test_fields_that_force_a_replacement_are_listed() -> None:
    diff = {"spec.selector": {"kind": "update-replace"}, "spec.replicas": {"kind": "update"}}
    [one] = previewed(step("replace", "a", {"x": 1}, {"x": 2}, detailedDiff=diff, replaceReasons=["spec"])).changes
    assert one.reasons == ("spec", "spec.selector")


def test_a_field_with_hidden_values_is_listed_as_different() -> None:
    diff = {"spec.data": {"kind": "update"}}
    [one] = previewed(step("update", "a", {"data": SECRET}, {"data": SECRET}, detailedDiff=diff)).changes
    assert one.fields == (Field("spec.data", None, None, known=False),)


def test_errors_are_listed_once_without_colours() -> None:
    error = {"severity": "error", "message": "\x1b[31mPulumi.amd.yaml cannot be deployed\x1b[0m\n"}
    warning = {"severity": "warning", "message": "mind this"}
    assert previewed(diagnostics=[error, warning, error]).errors == ("Pulumi.amd.yaml cannot be deployed",)
    table = {"severity": "info", "message": "sizing on H200, GiB per GPU\n  tier\n"}
    assert previewed(diagnostics=[error, table]).sizing == "sizing on H200, GiB per GPU\n  tier"
    assert previewed(diagnostics=[{"severity": "info", "message": "target cluster: a"}]).sizing == ""
    prefixed = {"severity": "info", "message": "info: sizing on H200, GiB per GPU\n  tier\n"}
    assert previewed(diagnostics=[prefixed]).sizing == "sizing on H200, GiB per GPU\n  tier"
    assert read("amd", "error: \x1b[1mno stack named 'amd'").errors == ("error: no stack named 'amd'",)
    assert read("amd", "").errors == ("Pulumi printed nothing",)


def _object(op: str, instance: str, name: str, **fields: Any) -> dict[str, Any]:
    """A step that makes or deletes an object of a generation."""
    labels = {"llm-d.ai/instance": instance}
    inputs = {"kind": "Deployment", "metadata": {"name": name, "namespace": "llm", "labels": labels}, **fields}
    state = {"type": "kubernetes:apps/v1:Deployment", "custom": True, "inputs": inputs}
    side = "newState" if op == "create" else "oldState"
    return {"op": op, "urn": f"urn:pulumi:amd::p::x$kubernetes:apps/v1:Deployment::{name}", side: state}


def test_the_objects_of_two_generations_are_pairs_with_the_difference_inside() -> None:
    found = previewed(
        _object("create", "pd-b", "ms-pd-b-decode", spec={"pool": "gaie-pd-b", "model": "pd/x", "size": 64}),
        _object("delete", "pd", "ms-pd-decode", spec={"pool": "gaie-pd", "model": "pd/x", "size": 128}),
        _object("create", "pd-b", "ms-pd-b-new", spec={}),
        _object("delete", "pd", "ms-pd-old", spec={}),
        _object("delete", "other", "ms-other-decode", spec={}),
    )
    assert [(one.operation, one.subject) for one in found.changes] == [
        ("delete", "Deployment llm/ms-other-decode"),
        ("delete", "Deployment llm/ms-pd-old"),
        ("renew", "Deployment llm/ms-pd-b-decode"),
        ("create", "Deployment llm/ms-pd-b-new"),
    ]
    assert found.changes[2].fields == (Field("spec.size", "128", "64"),)


def test_the_cost_of_a_change_is_taken_from_the_diagnostics() -> None:
    said = {"severity": "warning", "message": f"\x1b[33mwarning: \x1b[0m{TITLE}\n1 decode pod is replaced\n"}
    other = {"severity": "warning", "message": "mind this"}
    assert previewed(diagnostics=[other, said, said]).costs == (f"{TITLE}\n1 decode pod is replaced",)


def test_list_items_go_by_name_and_lists_of_words_are_lines() -> None:
    before = {"containers": [{"name": "a", "args": ["--x", "--y"]}, {"name": "b", "cpu": 2.0}], "ports": [{"p": 1}]}
    after = {"containers": [{"name": "b", "cpu": 3}, {"name": "a", "args": ["--x"]}], "ports": [{"p": 1}, {"p": 2}]}
    assert differences(before, after) == [
        Field("containers[a].args", "--x\n--y", "--x"),
        Field("containers[b].cpu", "2", "3"),
        Field("ports[1].p", None, "2"),
    ]


def test_null_booleans_and_empty_values_are_text() -> None:
    before: dict[str, Any] = {"a": None, "b": True, "c": {}, "d": [], "e": {"f": 1}, "__internal": {"x": 1}}
    after = {"a": "", "b": False, "c": {"x": 1}, "d": ["y"], "__internal": {"x": 2}}
    assert differences(before, after) == [
        Field("a", "null", ""),
        Field("b", "true", "false"),
        Field("c", "{}", None),
        Field("c.x", None, "1"),
        Field("d", "[]", "y"),
        Field("e.f", "1", None),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"env": [{"name": "MY_TOKEN", "value": "hush"}]},
        {"env": [{"name": "openai_api_key", "value": "hush"}]},
        {"password": "hush"},
        {"auth": {"clientSecret": "x", "client-secret": "hush"}},
        {"args": ["--key=sk-hushhushhushhushhush"]},
        {"text": "token hf_hushhushhush in a file"},
        {"text": "a\n-----BEGIN RSA PRIVATE KEY-----\nhush\n-----END RSA PRIVATE KEY-----\nb"},
    ],
    ids=str,
)
def test_tokens_and_keys_are_not_shown(change: dict[str, Any]) -> None:
    for before, after in (({}, change), (change, {})):
        found = differences(before, after)
        assert "hush" not in str(found)
        assert SECRET in str(found)


def test_a_changed_secret_is_a_change() -> None:
    assert differences({"password": "a"}, {"password": "b"}) == [Field("password", SECRET, SECRET)]


def test_all_data_of_a_secret_is_secret() -> None:
    meta = {"name": "s"}
    states = {
        key: {
            "type": "kubernetes:core/v1:Secret",
            "custom": True,
            "inputs": {"kind": "Secret", "metadata": meta} | data,
        }
        for key, data in (("oldState", {"data": {"k": "old"}}), ("newState", {"data": {"k": "new"}, "type": "Opaque"}))
    }
    [one] = previewed({"op": "update", "urn": "urn:a::b::kubernetes:core/v1:Secret::s", **states}).changes
    assert one.fields == (Field("data.k", SECRET, SECRET), Field("type", None, "Opaque"))


def test_names_of_secrets_are_shown() -> None:
    change = {"tokenSecret": "llm-d-hf-token", "env": [{"name": "MAX_TOKENS", "value": "9"}], "secretName": "s"}
    assert SECRET not in str(differences({}, change))
