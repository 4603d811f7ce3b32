"""Quantities that know their unit, and what may come in: reading, checking, ranges, formulas, currencies."""
