"""Cluster definitions: what is to be grouped, how, and what came of it last."""
