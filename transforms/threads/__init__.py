"""Work in threads: ordered results, iterables begun ahead."""
