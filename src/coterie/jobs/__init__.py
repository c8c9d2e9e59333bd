"""Durable jobs: a task is written with the change that needs it, and a worker sees it through."""
