"""Dashboards and alerts as data, checked by the real promtool. A real Prometheus is in `sandbox/monitoring`."""
