"""What every room may use: the error tree, ids and the clock."""
