"""The core decides. It knows Python, and nothing else."""
