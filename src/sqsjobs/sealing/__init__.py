"""Layers around the envelope, bound to queue, task, job, environment and time: compressed, encrypted, signed.

`sealing` leads a job through them and back; `sealed` is their form on the wire. `signing` and `encryption` are rings of keys
(`signing_keys`, `encryption_keys`, `kms`), written as `key_texts` says; `message_key` is what encrypts one message, and
`compression` what is bounded. `ciphers` is the one door to the package `cryptography`, `kms_client` the one to AWS KMS.
"""

from __future__ import annotations

from sqsjobs.sealing.encryption import Encryption
from sqsjobs.sealing.encryption_keys import AesKey
from sqsjobs.sealing.kms import DataKeyCache, KmsKey
from sqsjobs.sealing.sealing import Sealing, queue_identity
from sqsjobs.sealing.signing import Signing
from sqsjobs.sealing.signing_keys import Ed25519Key, Ed25519PublicKey, HmacKey

__all__ = [
    "AesKey",
    "DataKeyCache",
    "Ed25519Key",
    "Ed25519PublicKey",
    "Encryption",
    "HmacKey",
    "KmsKey",
    "Sealing",
    "Signing",
    "queue_identity",
]
