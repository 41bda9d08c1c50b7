"""Archives that look like the real ones, in names, structure and size, for trying and testing."""
