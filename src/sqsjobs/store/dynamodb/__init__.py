"""A job store in DynamoDB; importing it loads aioboto3, so `open_store` does that when it is opened."""

from sqsjobs.store.dynamodb.store import DynamoStore

__all__ = ["DynamoStore"]
