"""The bugs, by what they are bugs of; `COUNT` of them, some in variants."""

from __future__ import annotations

from typing import Final

from tests.seeded_bugs.bug import Bug
from tests.seeded_bugs.bugs import leases, records, security, sending, settling

__all__ = ["BUGS", "COUNT"]

COUNT: Final = 35

BUGS: Final[tuple[Bug, ...]] = tuple(
    sorted(
        (*leases.BUGS, *records.BUGS, *security.BUGS, *sending.BUGS, *settling.BUGS),
        key=lambda bug: (bug.number, bug.id),
    )
)
