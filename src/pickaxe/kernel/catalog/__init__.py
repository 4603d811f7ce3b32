"""The transactional database of nouns, edges, events and the ledger: SQLite or PostgreSQL."""
