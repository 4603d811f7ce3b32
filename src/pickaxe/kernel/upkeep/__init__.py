"""A whole workspace at once: backup, check, move."""
