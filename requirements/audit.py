"""Look up locked requirements among known vulnerabilities; say so plainly where that was not possible.

``python audit.py PIP_AUDIT FILE…`` ends with 0 if nothing is known, 1 if something is, 3 if nobody could be asked.
"""

from __future__ import annotations

import subprocess
import sys

NOTHING_KNOWN, KNOWN, NOT_ASKED = 0, 1, 3


def main(pip_audit: str, files: list[str]) -> int:
    """Ask for each file, whose versions may be others than the next one's; the worst answer counts."""
    return max(audited(pip_audit, file) for file in files)


def audited(pip_audit: str, file: str) -> int:
    """Ask for one file, by its hashes, installing nothing."""
    options = ("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--timeout", "15")
    asked = subprocess.run(  # noqa: S603 - the tool that the Makefile names
        [pip_audit, *options, "--requirement", file],
        capture_output=True,
        text=True,
        check=False,
    )
    said = f"{asked.stdout}{asked.stderr}".strip()
    skipped = said.count("could not be audited")  # of which pip-audit makes no failure
    if not skipped and (asked.returncode == 0 or "known vulnerabilit" in said):
        sys.stdout.write(f"{file}: {said}\n")
        return NOTHING_KNOWN if asked.returncode == 0 else KNOWN
    if asked.returncode and skipped:
        sys.stdout.write(f"{file}: {said}\n")
    last = said.splitlines()[-1] if said else f"exit code {asked.returncode}"
    reason = f"{skipped} packages were not found there" if skipped else last
    sys.stderr.write(f"NOT AUDITED: {file}: the list of known vulnerabilities could not be read ({reason})\n")
    return NOT_ASKED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
