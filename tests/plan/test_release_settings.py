"""Settings for what engine and sidecar offer since some release: in the flags, or refused with the reason."""

from typing import Any

import pytest

from components.plan import resolve
from tests.stack_file import problems, settings


def test_the_settings_of_the_kv_connector_reach_its_configuration() -> None:
    given = {"failurePolicy": "recompute", "leaseSeconds": 60, "backends": ["LIBFABRIC"]}
    plan = resolve(settings(release="0.9", kvTransfer=given, decode__kvTransfer={"failurePolicy": "fail"}))
    # vllm-project/vllm, docs/features/nixl_connector_usage.md
    config = {"kv_connector_extra_config": {"kv_lease_duration": 60, "backends": ["LIBFABRIC"]}}
    assert plan.prefill.worker.kv_transfer == {
        "kv_connector": "NixlConnector",
        "kv_role": "kv_producer",
        "kv_load_failure_policy": "recompute",
        **config,
    }
    assert plan.decode.worker.kv_transfer["kv_load_failure_policy"] == "fail"


def test_what_is_in_extra_wins() -> None:
    extra = {"kv_connector_extra_config": {"backends": ["UCX"]}}
    plan = resolve(settings(release="0.9", kvTransfer={"backends": ["LIBFABRIC"], "extra": extra}))
    assert plan.decode.worker.kv_transfer["kv_connector_extra_config"] == {"backends": ["UCX"]}


def test_a_transport_of_another_ucx_is_a_warning_where_the_images_may_have_it() -> None:
    assert problems(release="0.6", ucx__tls="rc,tcp,rocm,new_transport")
    assert not problems(release="0.9", ucx__tls="rc,tcp,rocm,new_transport", accelerator="amd")
    notes = resolve(settings(release="0.9", ucx__tls="rc,tcp,rocm,new_transport", accelerator="amd")).notes
    assert [each for each in notes if "new_transport" in each]


def test_the_sidecar_tries_a_prefill_again() -> None:
    plan = resolve(settings(release="0.9", decode__sidecar={"prefillRetries": 2, "prefillRetryBackoff": 500}))
    # llm-d/llm-d-router v0.10.0, pkg/sidecar/proxy/options.go
    assert plan.decode.sidecar.flags["--prefill-max-retries"] == "2"
    assert plan.decode.sidecar.flags["--prefill-retry-backoff"] == "500ms"
    assert "--prefill-max-retries" not in resolve(settings(release="0.9")).decode.sidecar.flags


MORIIO: dict[str, Any] = {"accelerator": "amd", "release": "0.9", "kvTransfer": {"connector": "MoRIIOConnector"}}


def test_mori_io_as_in_the_guide() -> None:
    """llm-d/llm-d d557f83e, guides/pd-disaggregation/modelserver/amd/vllm/moriio/base/patch-*.yaml."""
    plan = resolve(settings(**MORIIO, prefill__tensorParallel=2, decode__tensorParallel=2))
    ports = {"handshake_port": "6301", "notify_port": "61005"}
    for worker, role, http in (
        (plan.prefill.worker, "kv_producer", "8000"),
        (plan.decode.worker, "kv_consumer", "8200"),
    ):
        assert worker.kv_transfer == {
            "kv_connector": "MoRIIOConnector",
            "kv_role": role,
            "kv_connector_extra_config": {"http_port": http, **ports},
        }
    flags = plan.decode.sidecar.flags
    assert flags["--kv-connector"] == "nixlv2"
    assert flags["--moriio-write-mode"] == "true"
    assert flags["--moriio-tp-size"] == "2"
    assert flags["--moriio-local-pod-ip"] == "$(POD_IP)"
    assert plan.decode.sidecar.own_address == "POD_IP"
    assert not [each for each in plan.notes if "MoRIIO" in each]
    assert [each for each in resolve(settings(**MORIIO)).notes if "--moriio-tp-size" in each], "TP 1 and TP 4"


@pytest.mark.parametrize("release", ["0.6", "0.9", "0.10"])
def test_the_failure_policy_is_for_vllm_since_0_17(release: str) -> None:
    assert not problems(release=release, kvTransfer={"failurePolicy": "recompute"})
