"""Which variables of its worker's environment a child process keeps.

A worker is given secrets that its jobs have no use for: keys of signatures and encryption, credentials, the job store's
password. What a child does not have, neither an error report nor a program that a job starts can carry away. It is no
wall against code that means harm: a process may read much of another one of the same user.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

__all__ = ["ALWAYS", "keep_only"]

ALWAYS: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_*"),
    *("PYTHON*", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_*", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)
"""What every program may need, and which holds no secrets."""


def keep_only(wanted: Sequence[str], variables: MutableMapping[str, str] | None = None) -> None:
    """Remove all variables but those `wanted` (names, or beginnings with ``*``) and those of `ALWAYS`.

    Args:
        wanted: what jobs and their app need besides.
        variables: this process's own by default.
    """
    held = os.environ if variables is None else variables
    kept = (*ALWAYS, *wanted)
    for name in [name for name in held if not any(fnmatchcase(name, pattern) for pattern in kept)]:
        del held[name]
