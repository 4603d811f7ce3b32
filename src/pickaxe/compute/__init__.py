"""Compute: pools of accelerators, what they cost, and the planner that says so before anybody spends."""
