"""One application in two versions, by the environment: the new one has a task more, and an argument more."""

from __future__ import annotations

import os

from tests.process.jobs import report

from sqsjobs import App

app = App("versions")

if os.environ.get("SQSJOBS_TEST_VERSION") == "2":

    @app.task(name="old", queue="work")
    async def old(number: int, note: str = "") -> str:
        report("end", "old", number, 2)
        return f"{number} {note}".strip()

    @app.task(name="new", queue="work")
    async def new(number: int) -> str:
        report("end", "new", number, 2)
        return str(number)

else:

    @app.task(name="old", queue="work")
    async def old_of_version_1(number: int) -> str:
        report("end", "old", number, 1)
        return str(number)
