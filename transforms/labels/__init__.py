"""Classes and labels: the files that people have, and the numbering."""
