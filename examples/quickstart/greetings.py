"""The smallest program: a task, a job, its result.

    sqsjobs dev quickstart.greetings:app --store sqlite:///jobs.db
    python -m quickstart.greetings

The second prints:

    Hello, Ada!
"""

import asyncio

from sqsjobs import App

app = App("quickstart")


@app.task
async def greet(name: str) -> str:
    return f"Hello, {name}!"


async def main() -> None:
    async with app:
        job = await greet.enqueue("Ada")
        print(await job.result(timeout=30))


if __name__ == "__main__":
    asyncio.run(main())
