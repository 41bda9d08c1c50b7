"""The job on Flink."""
