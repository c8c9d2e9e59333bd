"""`coterie demo`: the main job on real data, through the real API of a real service."""
