"""User code as the type checkers see it: what is right has its types, what is wrong is an error.

`right.py` and `wrong.py` are never run. In `wrong.py` each wrong line carries a ``type: ignore``; as unused ones
are errors, a checker that does not object to such a line fails the test.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import sqsjobs

HERE = Path(__file__).parent
PACKAGE = str(Path(sqsjobs.__file__).parents[1])


def report_of(*command: str, cwd: Path) -> tuple[str, int]:
    done = subprocess.run([*command], check=False, capture_output=True, text=True, cwd=cwd, env={"MYPYPATH": PACKAGE})
    return done.stdout + done.stderr, done.returncode


def test_mypy_strict_agrees(tmp_path):
    report, status = report_of(
        *(sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent"),
        *("--cache-dir", str(HERE.parents[1] / ".mypy_cache" / "user-code")),
        *(str(HERE / "right.py"), str(HERE / "wrong.py")),
        cwd=tmp_path,
    )
    assert (status, report) == (0, "Success: no issues found in 2 source files\n"), report


def test_basedpyright_strict_agrees(tmp_path):
    config = {
        "include": [str(HERE / "right.py"), str(HERE / "wrong.py")],
        "extraPaths": [PACKAGE],
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": "error",
        "reportDeprecated": "none",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    command = (sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable)
    report, status = report_of(*command, cwd=tmp_path)
    assert (status, report) == (0, "0 errors, 0 warnings, 0 notes\n"), report
