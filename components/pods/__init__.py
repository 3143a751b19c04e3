"""Floor 4: functions that turn a plan's arguments into typed pod parts; no resources."""
