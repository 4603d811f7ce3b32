"""The planner: what will it cost, will it fit, who makes money. Pure functions over typed inputs; no framework is imported."""
