"""Following jobs by their records: one reader for all who wait in a session, what they see, and sending a job again."""

from __future__ import annotations

from sqsjobs.following.reader import Reader, View
from sqsjobs.following.records import JobRecords, Resender
from sqsjobs.following.updates import JobUpdate, JobUpdates

__all__ = ["JobRecords", "JobUpdate", "JobUpdates", "Reader", "Resender", "View"]
