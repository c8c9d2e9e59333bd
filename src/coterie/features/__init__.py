"""Feature extractors: what can make a document's vectors, and what merely names them."""
