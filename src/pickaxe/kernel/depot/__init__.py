"""Where bytes are kept by name: a bucket, or a folder of sealed files."""
