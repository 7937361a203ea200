"""The law as policy: Cedar text, its schema, the closed vocabulary, and the one decide()."""
