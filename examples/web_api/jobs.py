"""The work that is too long for a request. The worker imports this module, and so does the API."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqsjobs import App, Reject

app = App("web-api")


@dataclass(frozen=True)
class Report:
    """What becomes of a text."""

    words: int
    most_frequent: str


@app.task(queue="reports", timeout=60)
def analyse(text: str) -> Report:
    """Count the words of a text; a plain function, so it runs in a thread of the worker."""
    words = Counter(text.lower().split())
    if not words:
        raise Reject("there are no words in this text")  # no attempt will find any
    return Report(words=words.total(), most_frequent=words.most_common(1)[0][0])
