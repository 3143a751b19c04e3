"""Runs the real promtool on the program's rules and expressions."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sandbox.progress import Progress
from sandbox.toolchain import provide
from tests.program.wire import AMD, made

RELEASES = ("0.6", "0.4")


@cache
def program() -> Path:
    """Where it is."""
    return provide(["promtool"], Progress())["promtool"]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Its verdict."""
    return subprocess.run([program(), *arguments], capture_output=True, text=True, check=False, timeout=120)


def rules(release: str, **serving: Any) -> list[dict[str, Any]]:
    """The alerts of the amd stack."""
    objects = made({**AMD, "release": release, **serving}).objects
    [group] = objects["PrometheusRule/llm-d-pd-alerts"]["spec"]["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def dashboards(release: str, **serving: Any) -> dict[str, Any]:
    """The dashboards of the amd stack, by their words, read back from their ConfigMaps."""
    objects = made({**AMD, "release": release, **serving}).objects
    maps = {key: each for key, each in objects.items() if "-dashboard-" in key}
    return {key.rpartition("-")[2]: json.loads(*each["data"].values()) for key, each in maps.items()}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Its charts."""
    return [each for each in dashboard["panels"] if each["type"] != "row"]


def expressions(release: str) -> dict[str, str]:
    """Every expression, by where it stands."""
    found = {rule["alert"]: rule["expr"] for rule in rules(release)}
    for word, dashboard in dashboards(release).items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                found[f"{word}: {panel['title']}: {target['legendFormat']}"] = target["expr"]
    return found


def rule_file(folder: Path, found: list[dict[str, Any]]) -> Path:
    """Rules as Prometheus reads them."""
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "llm-d", "rules": found}]}))
    return file
