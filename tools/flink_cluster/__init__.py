"""A real Flink cluster on this machine, as plain processes: for trying it, and for the tests.

`python -m tools.flink_cluster start` is what `make flink-cluster` runs.
"""
