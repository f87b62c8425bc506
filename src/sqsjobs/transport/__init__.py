"""Queues as SQS has them: `base` is the contract, `sqs` speaks to SQS itself, `memory` is a strict model of it."""
