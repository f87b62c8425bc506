"""What sqsjobs costs, beside others: `python -m benchmarks --help`."""
