"""Runs: a definition carried out, from its documents to its groups."""
