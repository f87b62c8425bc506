"""The work that is too long for a request. The worker imports this module, and so does the API."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sqsjobs import App, Reject

app = App("flask-api")


@dataclass(frozen=True)
class Line:
    """So many of an item, at so much each."""

    item: str
    price: Decimal
    count: int = 1


@dataclass(frozen=True)
class Invoice:
    """What a customer owes."""

    customer: str
    total: Decimal


@app.task(queue="invoices", timeout=60)
def bill(customer: str, lines: list[Line]) -> Invoice:
    """Add up what a customer bought."""
    if not lines:
        raise Reject("there is nothing to pay for")  # no attempt will find anything
    return Invoice(customer, sum((line.price * line.count for line in lines), Decimal()))
