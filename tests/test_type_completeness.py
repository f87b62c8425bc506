"""What users import has a type that every type checker reads alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import sqsjobs

PUBLIC = ("sqsjobs", "sqsjobs.errors", "sqsjobs.events", "sqsjobs.testing")


def test_every_public_name_has_a_known_type():
    """Basedpyright's verifier knows the type of each public name and of all that it leads to, inferring nothing."""
    commands = Path(sys.executable).parent
    verifying = subprocess.run(
        [commands / "basedpyright", "--verifytypes", "sqsjobs", "--ignoreexternal", "--outputjson"],
        env={
            **os.environ,
            "PATH": f"{commands}:{os.environ['PATH']}",
            "PYTHONPATH": str(Path(sqsjobs.__file__).parents[1]),
        },
        stdout=subprocess.PIPE,
        check=False,  # it also judges the modules inside
    )
    symbols = json.loads(verifying.stdout)["typeCompleteness"]["symbols"]
    public = [symbol for symbol in symbols if symbol["name"].rpartition(".")[0] in PUBLIC]
    assert len(public) > 100
    assert [symbol["name"] for symbol in public if not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]] == []
