"""The benchmarks of `make bench`: Butaca and its peers, scaling, and a large library."""
