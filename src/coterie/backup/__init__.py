"""A copy of everything that a service keeps, made while it runs, and the way back."""
