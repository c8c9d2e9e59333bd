"""Tasks: what the API shows of a job."""
