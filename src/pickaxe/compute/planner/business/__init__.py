"""Who makes money: pools, applications, payback."""
