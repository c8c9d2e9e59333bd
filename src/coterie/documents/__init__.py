"""Collections and their documents: payloads in SQL, vectors in Lance."""
