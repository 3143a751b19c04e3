"""The real EPP and sidecar of each release accept the flags and configurations that the program renders."""

import http.client
import socket
from pathlib import Path
from typing import Any

import pytest

from components.config.vocabulary import ReleaseName
from components.plan import resolve
from components.plan.serving_plan import ServingPlan
from components.pods import sidecar as sidecar_pod
from components.releases import RELEASES
from tests.picker import real
from tests.stack_file import settings

SELECTIVE = {"0.4": "threshold", "0.6": "nonCachedTokens"}
PRESETS = ("prefix-cache-aware", "load-aware")
SWITCHES: list[dict[str, Any]] = [
    {},
    {"routing__replicas": 2},
    {"tracing": {"endpoint": "http://127.0.0.1:9"}},
    {"monitoring__enabled": False},
    {"routing__verbosity": 10},
    {"postfix": "blue", "namespace": "elsewhere", "hostNetwork": True},
]
CASES: list[tuple[str, dict[str, Any]]] = [
    (release, changes)
    for release in real.PICKERS
    for changes in (
        *SWITCHES,
        *({"routing__selectivePd": {SELECTIVE[release]: amount}} for amount in (1, 16, 5000)),
        *({"routing__preset": preset} for preset in PRESETS),
        *({"routing__preset": preset, "routing__selectivePd": {SELECTIVE[release]: 16}} for preset in PRESETS),
    )
]


def _flags(plan: ServingPlan) -> tuple[str, ...]:
    """As rendered, but for the file, which is not mounted here."""
    return tuple(f"{name}={value}" for name, value in plan.picker.flags.items() if name != "--config-file")


@pytest.mark.parametrize(("release", "changes"), CASES, ids=str)
def test_the_real_picker_takes_flags_and_configuration_without_a_remark(
    release: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    plan = resolve(settings(release=release, **changes))
    verdict = real.judge(release, plan.picker.config, tmp_path, _flags(plan))
    assert verdict == real.Verdict(accepted=True, reason="", warnings=())


def test_every_release_is_held_against_its_picker_and_sidecar() -> None:
    """Except the releases from 0.9 on: no module proxy has their programs."""
    assert RELEASES.keys() - real.PICKERS.keys() == {"0.9", "0.10"}
    for name in real.PICKERS:
        release = RELEASES[ReleaseName(name)]
        assert release.picker_image.rpartition(":")[2] in real.PICKERS[name]
        assert release.sidecar_image.rpartition(":")[2] in real.SIDECARS[name]


@pytest.mark.parametrize(("release", "other"), [("0.4", "0.6"), ("0.6", "0.4")])
def test_the_flags_of_one_release_are_refused_or_fatal_in_another(release: str, other: str, tmp_path: Path) -> None:
    """Otherwise the program would not need flags per release."""
    older = _flags(resolve(settings(release="0.4")))
    newer = _flags(resolve(settings(release="0.6")))
    assert set(older) - set(newer) == {"--kv-cache-usage-percentage-metric=vllm:kv_cache_usage_perc"}
    config = resolve(settings(release=release)).picker.config
    assert not real.judge(other, config, tmp_path, older if other == "0.6" else newer).accepted


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def arguments(release: str, **changes: Any) -> tuple[list[str], int]:
    """The sidecar's rendered arguments on ports of this machine that are free, and its own port."""
    serving, behind = _free_ports(2)
    plan = resolve(settings(release=release, ports={"serving": serving, "decodeVllm": behind}, **changes))
    container = sidecar_pod.container(plan.decode.sidecar, on_host=False)
    return list(container["args"]), serving


def status(port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


@pytest.mark.parametrize("level", ["debug", "info", "error"])
@pytest.mark.parametrize("release", real.SIDECARS)
def test_the_real_sidecar_takes_its_arguments_and_speaks_plain_http(release: str, level: str) -> None:
    command, port = arguments(release, decode__sidecar__logLevel=level)
    with real.sidecar(release, command) as process:
        assert real.until(lambda: status(port, "/health") is not None or process.poll() is not None)
        assert process.poll() is None, process.communicate()[0]
        assert status(port, "/health") == 200, "a TLS server would answer 400"


@pytest.mark.parametrize(("release", "arguments_of"), [("0.4", "0.6")])
def test_the_real_sidecar_refuses_the_newer_dialect(release: str, arguments_of: str) -> None:
    command, _ = arguments(arguments_of)
    with real.sidecar(release, command) as process:
        assert process.wait(timeout=10) == 2
