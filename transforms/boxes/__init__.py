"""Bounding boxes: annotations, the CSV, and the packed index."""
