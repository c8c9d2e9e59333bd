"""The loops that NumPy has no words for, compiled by numba and kept on disk.

Every function works on its own rows only, takes what it writes to, and lets other threads run meanwhile. Ties go to the
smaller index, so that no result depends on the order in which blocks are done.
"""
