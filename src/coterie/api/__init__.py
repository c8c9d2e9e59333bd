"""What every route shares: the tenant, the transaction, errors, limits, request ids and metrics."""
