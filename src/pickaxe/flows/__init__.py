"""Journeys across rooms: from raw data to a served model, and round again."""
