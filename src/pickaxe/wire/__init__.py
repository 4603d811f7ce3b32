"""Other people's protocols over our nouns, one file each."""
