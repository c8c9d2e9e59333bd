"""Names for groups."""
