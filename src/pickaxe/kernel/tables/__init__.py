"""Bulk tables with history, in DuckLake: Parquet files, and metadata in SQLite or PostgreSQL."""
