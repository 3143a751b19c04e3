"""Layer 6: monitors for Prometheus, dashboards for people, and alerts for failures that give no error."""

from components.monitoring.component import Monitoring

__all__ = ["Monitoring"]
