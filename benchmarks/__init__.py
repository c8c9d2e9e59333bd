"""Each figure that the README quotes, beside its peers, in one run: `python -m benchmarks [name…]`."""
