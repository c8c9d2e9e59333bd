"""Coterie finds the groups in a team's embeddings and keeps them."""

__version__ = "0.1.0"
