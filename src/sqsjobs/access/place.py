"""Where an app's things are at AWS, and the ARNs (names that policies use) that follow from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from sqsjobs.errors import ConfigurationError

__all__ = ["ACCOUNT", "REGION", "Place"]

ACCOUNT: Final = "ACCOUNT_ID"
"""Stands in a policy for an account that nobody has told."""
REGION: Final = "REGION"
"""Stands in a policy for a region that nobody has told."""

_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]+")
_QUEUE_HOST: Final = re.compile(r"sqs\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?")
_PARTITIONS: Final = (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"))
"""Which regions are apart from the others ("Amazon Resource Names", AWS General Reference)."""


@dataclass(frozen=True, slots=True)
class Place:
    """An account in a region.

    Raises:
        ConfigurationError: if one of them cannot be.
    """

    account: str = ACCOUNT
    region: str = REGION

    def __post_init__(self) -> None:
        if self.account != ACCOUNT and not _ACCOUNT.fullmatch(self.account):
            raise ConfigurationError(f"{self.account!r} is no AWS account: its id has twelve digits")
        if self.region != REGION and not _REGION.fullmatch(self.region):
            raise ConfigurationError(f"{self.region!r} is no AWS region, such as eu-west-1")

    @property
    def unknown(self) -> tuple[str, ...]:
        """What is only stood in for."""
        return tuple(word for word in (self.account, self.region) if word in (ACCOUNT, REGION))

    @property
    def partition(self) -> str:
        """What ARNs begin with there."""
        return next((name for prefix, name in _PARTITIONS if self.region.startswith(prefix)), "aws")

    def queue(self, name: str) -> str:
        """Return the ARN of the queue that is called so at SQS."""
        return f"arn:{self.partition}:sqs:{self.region}:{self.account}:{name}"

    def table(self, name: str) -> str:
        """Return the ARN of a DynamoDB table."""
        return f"arn:{self.partition}:dynamodb:{self.region}:{self.account}:table/{name}"

    def bucket(self, name: str) -> str:
        """Return the ARN of an S3 bucket, whose name says nothing of account and region."""
        return f"arn:{self.partition}:s3:::{name}"

    def of_queue(self, url: str) -> Place:
        """Return where the queue at `url` is: SQS's own URLs say it, any other is taken to be here."""
        parts = urlsplit(url)
        host, account = _QUEUE_HOST.fullmatch(parts.hostname or ""), parts.path.strip("/").partition("/")[0]
        return Place(account, host["region"]) if host else self
