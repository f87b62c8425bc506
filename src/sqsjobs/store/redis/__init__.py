"""A job store in Redis 7 or Valkey; importing it needs ``sqsjobs[redis]``."""

from sqsjobs.store.redis.store import RedisStore

__all__ = ["RedisStore"]
