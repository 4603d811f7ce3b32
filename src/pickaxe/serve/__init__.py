"""Serving: endpoints over stored models, routed, limited, reloaded without a gap, every answer traced durably."""
