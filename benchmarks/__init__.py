"""What `make bench` measures: Butaca beside its peers, how it grows, and a large library."""
