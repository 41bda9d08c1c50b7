"""Apache Beam transforms from image archives to sharded TFRecords."""
