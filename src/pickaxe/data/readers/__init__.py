"""Readers: one file format each, all streaming the same three things (see `base`)."""
