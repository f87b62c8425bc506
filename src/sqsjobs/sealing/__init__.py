"""Layers around the envelope: signatures now, each on its own and bound to queue, task and job.

`sealing` leads a job through them and back, `sealed` is their form on the wire, `signing` holds the keys of signatures
(`signing_keys`), `key_texts` is how keys are written, and `ciphers` the one door to the package `cryptography`.
"""

from __future__ import annotations

from sqsjobs.sealing.sealing import Sealing, queue_identity
from sqsjobs.sealing.signing import Signing
from sqsjobs.sealing.signing_keys import Ed25519Key, Ed25519PublicKey, HmacKey

__all__ = ["Ed25519Key", "Ed25519PublicKey", "HmacKey", "Sealing", "Signing", "queue_identity"]
