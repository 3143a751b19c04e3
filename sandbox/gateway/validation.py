"""Envoy's own judgement of a configuration: `envoy --mode validate`, 0.2 s."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from sandbox.gateway.clusters import Json
from sandbox.gateway.deployment import bootstrap
from sandbox.gateway.envoy import Resources


def complaint(envoy: Path, resources: Resources) -> str:
    """Return why Envoy refuses a configuration, in its words; empty if it doesn't."""
    command = [
        str(envoy),
        "--mode",
        "validate",
        "--log-level",
        "critical",
        "--config-yaml",
        json.dumps(_whole(resources)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode == 0:
        return ""
    found = re.findall(r"error initializing config(?:uration)? '[^']*': (.*)", done.stderr) or [done.stderr.strip()]
    return str(found[-1]).strip()


def _whole(resources: Resources) -> Json:
    """Turn what Envoy asks for piece by piece into one configuration that holds everything."""
    whole = bootstrap()
    static = whole["static_resources"]
    for name, cluster in resources.clusters.items():
        endpoints = {**resources.endpoints[name], "cluster_name": name}
        held = {key: value for key, value in cluster.items() if key not in ("@type", "eds_cluster_config")}
        endpoints.pop("@type")
        static["clusters"].append({**held, "type": "STATIC", "load_assignment": endpoints})
    for name, listener in resources.listeners.items():
        inlined = json.loads(json.dumps({key: value for key, value in listener.items() if key != "@type"}))
        manager: dict[str, Any] = inlined["filter_chains"][0]["filters"][0]["typed_config"]
        del manager["rds"]
        routes = {key: value for key, value in resources.routes[name].items() if key != "@type"}
        manager["route_config"] = {**routes, "validate_clusters": False}  # as for routes that come by themselves
        static["listeners"].append(inlined)
    return {key: value for key, value in whole.items() if key != "dynamic_resources"}
