"""The door to AWS KMS: two calls through aioboto3, every one bounded, and no botocore exception leaves it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final  # Any: botocore has no types for its answers

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from sqsjobs.errors import ConfigurationError, KeysUnavailable

__all__ = ["KmsClient", "open_kms"]

_NOT_OURS: Final = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
"""What KMS answers where a ciphertext is not this key's, or not of this context: it never will be."""


@asynccontextmanager
async def open_kms(
    region: str | None, endpoint_url: str | None, session_factory: Callable[[], Any] | None
) -> AsyncIterator[KmsClient]:
    """Open a client.

    Raises:
        ConfigurationError: if there is no region, or the endpoint cannot be.
    """
    session = (session_factory or aioboto3.Session)()
    config = AioConfig(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
    async with AsyncExitStack() as closing:
        try:
            opening = session.client("kms", region_name=region, endpoint_url=endpoint_url, config=config)
            client = await closing.enter_async_context(opening)
        except (BotoCoreError, ValueError) as error:
            raise ConfigurationError(f"AWS KMS cannot be used: {error}") from error
        yield KmsClient(client)


@dataclass(frozen=True, slots=True)
class KmsClient:
    """Asks KMS for data keys."""

    client: Any

    async def generate(self, key_id: str, context: Mapping[str, str]) -> tuple[bytes, bytes]:
        """Return a new data key of 32 bytes, and its encrypted form.

        Raises:
            KeysUnavailable: if KMS gives none.
        """
        try:
            answer = await self.client.generate_data_key(
                KeyId=key_id, KeySpec="AES_256", EncryptionContext=dict(context)
            )
        except (ClientError, BotoCoreError) as error:
            raise _unavailable("GenerateDataKey", key_id, error) from error
        return answer["Plaintext"], answer["CiphertextBlob"]

    async def decrypt(self, key_id: str, wrapped: bytes, context: Mapping[str, str]) -> bytes | None:
        """Return the data key, or None if it is not this key's in this context.

        Raises:
            KeysUnavailable: if KMS does not say.
        """
        try:
            answer = await self.client.decrypt(KeyId=key_id, CiphertextBlob=wrapped, EncryptionContext=dict(context))
        except (ClientError, BotoCoreError) as error:
            if _code(error) in _NOT_OURS:
                return None
            raise _unavailable("Decrypt", key_id, error) from error
        secret: bytes = answer["Plaintext"]
        return secret if len(secret) == 32 else None


def _unavailable(operation: str, key_id: str, error: Exception) -> KeysUnavailable:
    return KeysUnavailable(f"KMS {operation} with {key_id} failed: {error}", code=_code(error))


def _code(error: Exception) -> str | None:
    return error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
