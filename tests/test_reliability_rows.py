"""The table of docs/reliability.md: every row is there, with tests that exist and are for it, or a reason why there is none."""

from __future__ import annotations

import pytest
from tests.rows import DOCUMENT, collected, documented, named_rows, rewritten, rows_of, said

ROWS = [
    *(f"R{n}" for n in range(1, 70)),
    *(f"S{n}" for n in range(1, 28) if n != 20),  # of dashboards, of which there is none
    *(f"I{n}" for n in range(1, 20)),
]
TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_every_row_is_in_the_table_once_and_in_order() -> None:
    assert [row for row, _, _ in said(TEXT)] == ROWS


@pytest.mark.parametrize("row", ROWS)
def test_what_the_table_names_are_tests_for_the_row(row: str) -> None:
    """After a test was renamed or moved, `python -m tests.rows` mends the table."""
    named = documented(TEXT).get(row, ())
    assert set(named) <= set(collected().get(row, ())), "run: python -m tests.rows"


def test_a_row_without_a_test_has_a_reason() -> None:
    without = {row: words for row, _, words in said(TEXT) if not documented(TEXT)[row]}
    assert all(len(words) > 30 for words in without.values()), without
    assert not without.keys() & collected().keys(), "there are tests for them by now; run: python -m tests.rows"


def test_docstrings_name_no_row_that_is_not_there() -> None:
    assert collected().keys() <= set(ROWS) | {"S20"}


@pytest.mark.parametrize(
    ("docstring", "rows"),
    [
        ("R5: a behaviour.", ["R5"]),
        ('R10 and the seeded bug "start counter written after the run": so', ["R10"]),
        ("R1-R3, I12: a range.", ["R1", "R2", "R3", "I12"]),
        ("R52-54, R60: a short one.", ["R52", "R53", "R54", "R60"]),
        ("R24 and Spring's #1634: two.", ["R24"]),
        ("S18, and the scene of design section 4: a flood.", ["S18"]),
        ("What R5 is about: nothing.", []),
        ("", []),
    ],
)
def test_rows_stand_where_a_docstring_begins(docstring: str, rows: list[str]) -> None:
    assert named_rows(docstring) == rows


def test_the_table_is_written_from_what_there_is() -> None:
    other = "| R5 | of another table | `kept` |"
    line, reason = "| R5 | A behaviour. | `gone.py::test_gone` |", "| R56 | Another. | a reason, why it is not for us |"
    text = f"{other}\n## Every promise, and its tests\n{line}\n{reason}"
    before, _, first, second = rewritten(text).splitlines()
    assert before == other
    assert first.startswith("| R5 | A behaviour. | `")
    assert "gone" not in first
    assert second == reason
    assert rewritten(rewritten(text)) == rewritten(text)
    assert set(documented(rewritten(text))["R5"]) <= set(collected()["R5"])


def test_the_rows_of_a_test_are_found_by_its_name() -> None:
    name = "tests/worker/test_stopping.py::test_nothing_is_released_before_the_last_poll_has_ended"
    assert rows_of(name) == rows_of(f"{name}[1]") == ["R6"]
