"""Published runs, memory tables and speeds, and the planner's figure for each."""
