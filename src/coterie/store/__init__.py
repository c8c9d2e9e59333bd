"""Where things are kept: records in SQL, vectors in Lance, artifacts as files."""
