"""Asynchronous jobs over Amazon SQS."""
