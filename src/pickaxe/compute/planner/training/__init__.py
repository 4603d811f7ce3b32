"""Training: its work, its memory, the search over parallel layouts, and `pickaxe plan train`."""
