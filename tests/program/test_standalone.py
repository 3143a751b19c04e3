"""The standalone Envoy: Envoy itself accepts the configuration of every combination of options; effects of settings."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from components.gateways.standalone.certificates import files
from components.gateways.standalone.envoy import bootstrap
from components.plan import resolve
from sandbox.progress import Progress
from sandbox.toolchain import provide
from tests.program.wire import AMD, made
from tests.sandbox.certificate import CHAIN, KEY
from tests.stack_file import settings

ONE: dict[str, Any] = {"certificateRefs": [{"name": "certificate"}]}
TWO: dict[str, Any] = {"certificateRefs": [{"name": "certificate"}, {"name": "other"}]}
LISTENERS: list[dict[str, Any]] = [{}, {"tls": ONE}, {"tls": TWO, "http": False}]


def test_envoy_accepts_its_configuration_for_every_combination_of_options(tmp_path: Path) -> None:
    """Release, host network and infrastructure change nothing in it but the failure mode's default and the port.

    What each word of the settings does to the pod and its files is declared in other tests: here are the files.
    """
    envoy = str(provide(["envoy"], Progress())["envoy"])
    for number in range(2):
        folder = tmp_path / "certificates" / f"certificate-{number}"
        folder.mkdir(parents=True)
        (folder / "tls.crt").write_text(CHAIN)
        (folder / "tls.key").write_text(KEY)
    axes = product(("FailOpen", "FailClose"), (True, False), (8000, 8443), LISTENERS)
    configurations = set()
    for mode, log, port, listeners in axes:
        level = "trace" if log else "off"
        gateway = resolve(
            settings(
                routing={"failureMode": mode},
                gateway={"provider": "standalone", "accessLogging": log, "logLevel": level, **listeners},
                ports={"serving": port},
                postfix="p" * 33 if log else "pd",
            ),
            None,
        ).gateway
        assert gateway.standalone
        texts = {"envoy.yaml": bootstrap(gateway, gateway.standalone), **files(gateway)}
        configurations.add((str(gateway.log_level), *(yaml.safe_dump({name: one}) for name, one in texts.items())))
    assert len(configurations) == 18, "the port is in the file for FailOpen only"

    def judged(level: str, *texts: str) -> str:
        home = tmp_path / str(hash((level, texts)))
        home.mkdir()
        for text in texts:
            here = text.replace("/etc/envoy", str(home)).replace("/etc/certificates", str(tmp_path / "certificates"))
            [(name, content)] = yaml.safe_load(here).items()
            (home / name).write_text(yaml.safe_dump(content))
        command = [envoy, "--mode", "validate", "--config-path", str(home / "envoy.yaml"), "--log-level", level]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        complaints = [line for line in done.stderr.splitlines() if re.search(r"\]\[(warning|error|critical)\]", line)]
        return "\n".join([str(done.returncode), *complaints])

    with ThreadPoolExecutor(2) as together:
        assert set(together.map(lambda one: judged(*one), configurations)) == {"0"}


def test_envoy_serves_the_same_over_https() -> None:
    objects = made({**AMD, "gateway": {"provider": "standalone", "tls": TWO}}).objects
    listeners = yaml.safe_load(objects["ConfigMap/infra-pd-inference-gateway"]["data"]["envoy.yaml"])[
        "static_resources"
    ]["listeners"]
    assert [each["name"] for each in listeners] == ["http", "https", "status"]
    plain, secure = (each["filter_chains"][0]["filters"] for each in listeners[:2])
    assert secure == plain
