"""Setting a job store up: what `sqsjobs store apply` asks of a store that needs tables."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["Provisioned"]


@runtime_checkable
class Provisioned(Protocol):
    """A job store whose place has to be made before it is opened."""

    async def provision(self, *, dry_run: bool = False) -> list[str]:
        """Make what is missing, unopened; return what was made, or with `dry_run` would be, a line each.

        Raises:
            ConfigurationError: if these credentials may not.
            StoreUnavailable: if the server cannot be reached.
        """
        ...
