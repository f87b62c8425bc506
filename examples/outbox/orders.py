"""Jobs that are enqueued if, and only if, a transaction commits: an outbox table, and a relay that empties it.

    sqsjobs dev outbox.orders:app --store sqlite:///jobs.db
    python -m outbox.orders

The second places two orders, of which one is rolled back, and prints:

    orders: 1
    enqueued: 1
    shipped: order 1, tea for ada

A program that dies before the relay has sent a job leaves its row, and the next relay sends it; one that dies between the
two steps of the relay leaves a row whose job is there already, and then there are two jobs. So a job is told by a key of
its own, here the order, whether what it does has been done. (`unique=` is no such key: it trusts in the record that is
written before the send, and a program may die between those two as well.)
"""

import asyncio
import sqlite3
from contextlib import closing, suppress

from sqsjobs import App, Call, JobId

app = App("orders")

TABLES = """
CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, customer TEXT, goods TEXT);
CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT, queue TEXT, arguments BLOB);
"""


@app.task
async def ship(number: int, customer: str, goods: str) -> str:
    return f"order {number}, {goods} for {customer}"  # which is not shipped yet: the number is the key to that


def write_later(database: sqlite3.Connection, call: Call[object]) -> None:
    """Write a call, already checked against its task, into the transaction that is open."""
    row = (call.task, call.queue, call.arguments)
    database.execute("INSERT INTO outbox (task, queue, arguments) VALUES (?, ?, ?)", row)


def place(database: sqlite3.Connection, number: int, customer: str, goods: str) -> None:
    """Place an order, and have it shipped: both, or neither."""
    with database:
        write_later(database, ship.call(number, customer, goods))
        database.execute("INSERT INTO orders VALUES (?, ?, ?)", (number, customer, goods))


async def relay(database: sqlite3.Connection) -> list[JobId]:
    """Enqueue what was committed, oldest first, and forget what SQS has accepted; return the ids of the jobs.

    What `enqueue` raises ends it: the row is kept, and sent by the next call. Have it called after each commit, and by a
    timer; more than one relay at a time sends some jobs twice.
    """
    sent: list[JobId] = []
    rows = database.execute("SELECT id, task, queue, arguments FROM outbox ORDER BY id LIMIT 100").fetchall()
    for row, task, queue, arguments in rows:
        job = await app.send_call(Call[object](task, queue, arguments))
        with database:
            database.execute("DELETE FROM outbox WHERE id = ?", (row,))
        sent.append(job.id)
    return sent


async def main() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(TABLES)
        place(database, 1, "ada", "tea")
        with suppress(sqlite3.IntegrityError):
            place(database, 1, "bob", "coffee")
        print("orders:", *[number for (number,) in database.execute("SELECT number FROM orders")])
        async with app:
            jobs = await relay(database)
            print("enqueued:", len(jobs))
            print("shipped:", *[await app.job(job).result(timeout=60) for job in jobs])


if __name__ == "__main__":
    asyncio.run(main())
