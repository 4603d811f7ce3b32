"""Who may do what: tenants, people, keys, scopes, and the log of every change."""
