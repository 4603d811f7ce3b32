"""Formats of small models, one module each: how they are stored and how they answer."""
