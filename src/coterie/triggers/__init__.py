"""Triggers: runs that start by themselves, at a time, after events or when a condition holds."""
