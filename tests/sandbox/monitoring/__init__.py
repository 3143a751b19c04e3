"""Dashboards and alerts with a real Prometheus that scrapes a stack under load."""
