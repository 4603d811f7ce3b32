"""Serving a language model: roofline, traffic, and `pickaxe plan serve`."""
