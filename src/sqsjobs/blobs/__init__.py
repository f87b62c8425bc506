"""Blobs: where arguments and results are kept that are too large for a message, or for a record."""

from sqsjobs.blobs.base import Blob, BlobKind, Blobs
from sqsjobs.blobs.files import FileBlobs
from sqsjobs.blobs.s3 import S3Blobs

__all__ = ["Blob", "BlobKind", "Blobs", "FileBlobs", "S3Blobs"]
