"""Records read back: random access, tf.data, index files."""
