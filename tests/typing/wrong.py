"""User code in which every line with a `type: ignore` must be an error to every type checker: an unused one is, too."""

from __future__ import annotations

from sqsjobs import App, JobHandle, Retry, Secret, task

app = App("thumbs")


@app.task(queue="images", timeout=60)
async def resize(bucket: str, key: str, width: int = 100) -> bytes:
    return bucket.encode()


@task
def count(words: list[str]) -> int:
    return len(words)


@app.task
async def log_in(pin: Secret[int]) -> None: ...


async def wrong_arguments() -> None:
    await log_in.enqueue("1234")  # type: ignore[arg-type]
    await resize.enqueue("in", "a.png", width="wide")  # type: ignore[arg-type]
    await resize.enqueue("in")  # type: ignore[call-arg]
    await resize.enqueue("in", "a.png", 1, 2)  # type: ignore[call-arg]
    await resize.enqueue("in", "a.png", colour=True)  # type: ignore[call-arg]
    await resize.using(delay=5).enqueue(b"in", "a.png")  # type: ignore[arg-type]
    resize.call(1, "a.png")  # type: ignore[arg-type]
    count.enqueue_sync([1])  # type: ignore[list-item]
    count.enqueue_sync("a", "b")  # type: ignore[call-arg, arg-type]
    count(3)  # type: ignore[arg-type]


async def wrong_results() -> None:
    job = await resize.enqueue("in", "a.png")
    text: str = await job.result()  # type: ignore[assignment]
    other: JobHandle[str] = job  # type: ignore[assignment]
    pages: list[str] = await app.jobs()  # type: ignore[assignment]
    await app.jobs(state="failed")  # type: ignore[call-arg]
    await app.wait([job], first="one")  # type: ignore[arg-type]
    async for update in job.watch():
        done: int = update.progress  # type: ignore[assignment]
        print(done, pages)
    number: int = resize("in", "a.png")  # type: ignore[assignment]
    handles: list[JobHandle[int]] = await app.enqueue_many([resize.call("in", "a")])  # type: ignore[list-item]
    print(text, other, number, handles)


def wrong_options() -> None:
    app.task(quue="images")  # type: ignore[call-overload]
    app.task(timeout="60")  # type: ignore[call-overload]
    app.task(executor="fiber")  # type: ignore[call-overload]
    app.task(retry=3)  # type: ignore[call-overload]
    task(on_exhausted="forget")  # type: ignore[call-overload]
    resize.using(delay="5")  # type: ignore[arg-type]
    resize.using(dely=5)  # type: ignore[call-arg]
    resize.using(headers={"a": 1})  # type: ignore[dict-item]
    App("thumbs", tracking="some")  # type: ignore[arg-type]
    App("thumbs", stroe="memory://")  # type: ignore[call-arg]
    app.configure(stroe="memory://")  # type: ignore[call-arg]
    app.include("shop.tasks")  # type: ignore[arg-type]
    Retry(max_attempts="3")  # type: ignore[arg-type]
