"""Content-addressed files: in a folder, or in a depot behind a local cache."""
