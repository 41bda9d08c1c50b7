"""Which form a source of images is, and what lies where in it."""
