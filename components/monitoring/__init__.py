"""Floor 6: what watches a stack: monitors for Prometheus, dashboards for people, alerts for what gives no error."""

from components.monitoring.component import Monitoring

__all__ = ["Monitoring"]
