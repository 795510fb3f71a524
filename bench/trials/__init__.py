"""What is measured in its own way, and not as round trips: docs/benchmarks.md "Trials". Called by `bench.__main__`."""
