"""The command line, and what each Beam runner needs to be told."""
