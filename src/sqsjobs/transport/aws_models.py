"""The models of AWS's services that botocore makes its clients of: loaded once a process, and no more than is used."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, Final

from botocore.loaders import Loader, instance_cache

__all__ = ["SERVICES", "model_loader"]

SERVICES: Final = frozenset({"sqs", "dynamodb", "s3", "sts", "sso", "portal.sso", "oidc", "signin"})
"""SQS, what job stores and blobs are on, and where botocore gets credentials."""


@lru_cache(maxsize=4)
def model_loader(data_path: str | None) -> Loader:
    """Return one loader of botocore's models for all sessions, as botocore's own `create_loader` makes it.

    Args:
        data_path: botocore's setting of that name: folders to look in before its own.
    """
    return _SparingLoader(data_path.split(os.pathsep) if data_path else None)


class _SparingLoader(Loader):  # type: ignore[misc]  # botocore has no types
    """Of botocore's list of all endpoints of AWS, which takes 7 MB, keeps those of the services that are spoken to here."""

    @instance_cache  # type: ignore[untyped-decorator]
    def load_data_with_path(self, name: str) -> Any:
        data, path = super().load_data_with_path(name)
        if name == "endpoints":
            for partition in data["partitions"]:
                partition["services"] = {
                    it: partition["services"][it] for it in SERVICES & partition["services"].keys()
                }
        return data, path
