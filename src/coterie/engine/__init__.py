"""The numeric core: arrays in, arrays out. It knows nothing of HTTP, SQL or files.

Import what you need from its modules (`coterie.engine.cluster`, `coterie.engine.specs`, …): this one is empty so that a
server can read the specs without loading scikit-learn.
"""
