"""A server for benchmarks: as much of SQS as the contestants use, at a tenth of what it costs them.

Standard queues with visibility, delays, long polls, receive counts and digests, over AWS's JSON protocol. It checks
no signature, knows no FIFO queue and no redrive, and is no server to test against: `sqsjobs.local` is.
"""
