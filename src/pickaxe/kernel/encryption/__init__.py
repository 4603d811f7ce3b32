"""Encryption at rest: keys, sealing, and the private room where plain files are worked on."""
