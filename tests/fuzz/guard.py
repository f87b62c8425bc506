"""Sees what the interpreter is asked to do while an input is fed: imports, code, processes, files, connections (I17).

An audit hook cannot be taken away again, so this belongs into processes that do nothing else. It is told nothing of
`importlib.import_module`, so a finder stands before all others, too; and neither hears of modules that are loaded
already, so what asks for imports has to name others (`corpus.UNLOADED`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Final

__all__ = ["DEEDS", "deeds", "guard_process", "guarded"]

DEEDS: Final = frozenset(
    {
        "code.__new__",
        "compile",
        "ctypes.dlopen",
        "exec",
        "import",
        "marshal.load",
        "marshal.loads",
        "open",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.putenv",
        "os.remove",
        "os.rename",
        "os.spawn",
        "os.system",
        "pickle.find_class",
        "shutil.rmtree",
        "socket.__new__",
        "socket.connect",
        "socket.getaddrinfo",
        "subprocess.Popen",
        "urllib.Request",
    }
)
"""Events of `sys.addaudithook` that no message may cause."""

deeds: list[str] = []
"""What was seen while the guard was up."""

_up = False
_installed = False


def guard_process() -> None:
    """Install the hook and the finder, for the rest of this process."""
    global _installed  # noqa: PLW0603 - the hook is the process's
    if not _installed:
        _installed = True
        sys.addaudithook(_see)
        sys.meta_path.insert(0, _Asked())


def _see(event: str, args: tuple[object, ...]) -> None:
    if _up and event in DEEDS:
        deeds.append(f"{event} {args!r:.200}")


class _Asked(MetaPathFinder):
    """Finds no module, and knows which ones were asked for."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if _up:
            deeds.append(f"import of {fullname!r:.200}")


@contextmanager
def guarded() -> Iterator[None]:
    """Look, while the block runs."""
    global _up  # noqa: PLW0603 - see above
    _up = True
    try:
        yield
    finally:
        _up = False
