"""Archives that look like the real ones, for the demo, the tests and benchmarks.

Each writer makes the files that a user would download, with the real names and
structure, from nothing but a few numbers; the same numbers give the same bytes.
"""
