"""Pickaxe's own protocol: the five nouns over HTTP, and the client that speaks it (`pickaxe.connect`)."""
