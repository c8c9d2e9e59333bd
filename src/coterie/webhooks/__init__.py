"""Webhooks: who is told of what happens, and the outbox from which they are told."""
