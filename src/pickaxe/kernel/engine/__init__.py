"""Runs, carried out: leases, workers, meters; on this machine or on Ray."""
