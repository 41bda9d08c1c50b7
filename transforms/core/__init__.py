"""What the job knows, in plain Python: no module below this package imports Beam."""
