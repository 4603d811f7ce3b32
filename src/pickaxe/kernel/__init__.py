"""The kernel: five nouns, the stores, the engine, the ledger. Imports no room and no ML framework."""
