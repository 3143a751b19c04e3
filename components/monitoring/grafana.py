"""A dashboard as Grafana's JSON (schema 39, Grafana 10 and newer)."""

import json
from hashlib import sha256
from typing import Any

from components.monitoring.panels import Dashboard, Panel, Row

LABEL = {"grafana_dashboard": "1"}
"""By which Grafana's sidecar finds ConfigMaps with dashboards (kube-prometheus-stack's default)."""

WIDTH, HEIGHT, ACROSS = 12, 8, 24
"""Of a panel, and the whole width, in Grafana's grid."""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def text(dashboard: Dashboard, namespace: str, postfix: str) -> str:
    """The JSON, on one line: Pulumi shows its differences field by field."""
    return json.dumps(document(dashboard, namespace, postfix), separators=(",", ":"))


def document(dashboard: Dashboard, namespace: str, postfix: str) -> dict[str, Any]:
    """The dashboard of one install. One Grafana may show many: identifier and title tell them apart."""
    install = f"{namespace}/{postfix}"
    return {
        "uid": f"llm-d-{sha256(f'{install}/{dashboard.word}'.encode()).hexdigest()[:16]}",
        "title": f"{dashboard.title} ({install})",
        "description": dashboard.about,
        "tags": ["llm-d", "prefill-decode"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}]
        },
        "panels": _placed(dashboard.rows),
    }


def _placed(rows: tuple[Row, ...]) -> list[dict[str, Any]]:
    """Rows one below the other, their panels two abreast."""
    placed: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        header = {"type": "row", "title": row.title, "collapsed": False, "panels": []}
        placed.append({**header, "gridPos": {"x": 0, "y": top, "w": ACROSS, "h": 1}})
        top += 1
        for place, panel in enumerate(row.panels):
            x, y = place * WIDTH % ACROSS, top + place * WIDTH // ACROSS * HEIGHT
            placed.append({**_panel(panel), "gridPos": {"x": x, "y": y, "w": WIDTH, "h": HEIGHT}})
        top = y + HEIGHT
    return [{"id": number, **each} for number, each in enumerate(placed, 1)]


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit.value, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": line.query, "legendFormat": line.legend}
            for place, line in enumerate(panel.lines)
        ],
    }
