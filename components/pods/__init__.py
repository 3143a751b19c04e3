"""Layer 5: functions that turn a plan's arguments into typed parts of pods. No decision and no resource is here."""
