"""The job on Google Cloud Dataflow."""
