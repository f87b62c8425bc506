"""A FIFO queue: what concerns one account is booked in order, though bookings fail and accounts run side by side.

    sqsjobs dev fifo.accounts:app --store sqlite:///jobs.db
    python -m fifo.accounts

The second prints the bookings of each account in the order in which they ended. Every third failed at first, and was
tried again before those behind it:

    ada: 1 2 3 4 5
    bob: 1 2 3 4 5
    eve: 1 2 3 4 5
    bookings that were tried twice: 3
"""

import asyncio

from sqsjobs import App, Retry, constant, current_job

app = App("fifo")

ACCOUNTS = ("ada", "bob", "eve")
BOOKINGS = range(1, 6)


@app.task(queue="bookings.fifo", retry=Retry(backoff=constant(1)))
async def book(account: str, booking: int) -> str:
    if booking == 3 and current_job().attempt == 1:
        raise ConnectionError(f"the ledger of {account} was away for a moment")
    return f"{account} {booking}"


async def main() -> None:
    async with app:
        jobs = await app.enqueue_many(
            # The group is what is kept in order: one booking of an account at a time.
            book.using(group=account).call(account, booking)
            for booking in BOOKINGS
            for account in ACCOUNTS
        )
        results = [await job.result(timeout=60) for job in jobs]
        records = [await job.record() for job in jobs]
    ended = sorted(zip(records, results, strict=True), key=lambda pair: pair[0].ended_at or 0.0)
    for account in ACCOUNTS:
        order = [result.split()[1] for _, result in ended if result.startswith(account)]
        print(f"{account}: {' '.join(order)}")
    print("bookings that were tried twice:", sum(record.attempts == 2 for record in records))


if __name__ == "__main__":
    asyncio.run(main())
