"""Score models on untouched data, bound the error of automatic labels, gate releases."""
