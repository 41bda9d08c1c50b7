"""Getting the data sets: known sources, resumable transfers, checksums, a cache."""
