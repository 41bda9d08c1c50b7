"""The forms in which people hold images: one module each, registered in `table`."""
