"""From an image file to the image of a record."""
