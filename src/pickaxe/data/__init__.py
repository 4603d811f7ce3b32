"""The data room: raw files to curated rows, rows to labels.

Steps: `ingest`, `curate`, `select`, `label`. Each lives in the module of its name and is imported from there, so that a change
in one does not invalidate the cached runs of another.
"""
