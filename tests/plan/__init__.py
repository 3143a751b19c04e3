"""Decisions and cross-checks of the plan as plain functions. Nothing here declares a resource."""
