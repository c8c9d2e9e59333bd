"""Who may ask and in which namespace: organizations, users, API keys, namespaces."""
