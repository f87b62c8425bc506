"""Upload a picture, follow what a worker finds in it: POST answers 202 at once, the rest is the job's affair.

`python -m inference` runs it with all that it needs; README.md tells the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Final
from uuid import uuid4

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel

from inference.bursts import followed
from inference.gallery import Entry, Gallery, new_secret, owner_of
from inference.jobs import app, look_at
from inference.pictures import Part, Pictures
from sqsjobs.integrations.fastapi import Accepted, accepted, job_router
from sqsjobs.store.base import JobRecord

MAX_BYTES: Final = 12_000_000
"""Of an upload: it is in memory while it comes in."""
_COOKIE: Final = "browser"
_PAGE: Final = Path(__file__).with_name("page")
_TYPES: Final[dict[Part, str]] = {
    "original": "application/octet-stream",  # whatever a stranger sent is never shown as a page of ours
    "thumbnail": "image/webp",
    "attention": "image/webp",
}
_GUARDS: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_YEAR: Final = 365 * 24 * 3600

pictures = Pictures.configured()
gallery = Gallery(pictures.folder / "gallery.sqlite3")


def owner(request: Request) -> str:
    """Return who asks: whoever has this cookie. An application with accounts asks its session."""
    return owner_of(request.cookies.get(_COOKIE) or new_secret())


async def owns(request: Request, record: JobRecord) -> bool:
    """Say whether a job is of the browser that asks; whoever else asks is told that there is none."""
    return await asyncio.to_thread(gallery.entry, record.id, owner(request)) is not None


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with app:
        yield
    gallery.close()


api = FastAPI(title="Pictures", lifespan=lifespan)
api.include_router(job_router(app, authorize=owns), prefix="/jobs")
Owner = Annotated[str, Depends(owner)]
BurstId = Annotated[str, Query(pattern=r"^[\w-]{0,64}$")]


class Sent(BaseModel):
    """A picture of this browser."""

    job: str
    name: str
    at: float


@api.post("/pictures", status_code=202, response_model=Accepted)
async def send_picture(
    request: Request, name: Annotated[str, Query(max_length=200)] = "picture", burst: BurstId = ""
) -> Response:
    """Take a picture, the body of the request, and put a job on the queue that looks at it."""
    content = await _received(request)
    picture, secret = uuid4(), request.cookies.get(_COOKIE) or new_secret()
    await asyncio.to_thread(pictures.write, picture, "original", content)
    job = await look_at.enqueue(picture)
    await asyncio.to_thread(gallery.add, Entry(job.id, owner_of(secret), picture, name, burst))
    return _remembering(accepted(job, request), secret)


@api.get("/pictures")
async def list_pictures(sender: Owner) -> list[Sent]:
    """List the pictures that this browser has sent by themselves, the latest first."""
    entries = await asyncio.to_thread(gallery.entries, sender, limit=24)
    return [Sent(job=entry.job, name=entry.name, at=entry.at) for entry in entries]


@api.get("/pictures/{job_id}/{part}", response_class=Response)
async def show_picture(job_id: str, part: Part, sender: Owner) -> Response:
    """Send a file of a picture: as it came, its thumbnail, or the map of where the eye goes."""
    entry = await asyncio.to_thread(gallery.entry, job_id, sender)
    content = await asyncio.to_thread(pictures.read, entry.picture, part) if entry else None
    if content is None:
        raise HTTPException(404, "there is no such picture")
    headers = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type=_TYPES[part], headers=headers)


@api.get("/bursts/{burst}/events", response_class=Response)
async def follow_burst(burst: str, of: Annotated[int, Query(ge=1, le=1000)], sender: Owner) -> Response:
    """Follow many jobs in one stream: how many were accepted, and which have ended, twice a second."""
    events = followed(app, lambda: gallery.entries(sender, burst), of)
    return StreamingResponse(events, headers={"Cache-Control": "no-store"}, media_type="text/event-stream")


@api.get("/", include_in_schema=False)
async def page(request: Request) -> Response:
    """Send the page, and a browser that has none its cookie."""
    answer = FileResponse(_PAGE / "index.html", headers=_GUARDS)
    return answer if _COOKIE in request.cookies else _remembering(answer, new_secret())


@api.get("/page/{name}", include_in_schema=False)
async def page_file(name: str) -> Response:
    """Send a file of the page."""
    if name not in {path.name for path in _PAGE.iterdir()}:
        raise HTTPException(404, "there is no such file")
    return FileResponse(_PAGE / name, headers=_GUARDS)


async def _received(request: Request) -> bytes:
    """Return the body, or refuse it as soon as it is known to be too large."""
    too_large = HTTPException(413, f"This file is larger than {MAX_BYTES // 1_000_000} MB. Send a smaller one.")
    if int(request.headers.get("content-length") or 0) > MAX_BYTES:
        raise too_large
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BYTES:
            raise too_large
    if not content:
        raise HTTPException(422, "There is no picture in this request: it is to be the body.")
    return bytes(content)


def _remembering(answer: Response, secret: str) -> Response:
    """Give the browser its cookie: no script reads it, no other site's page sends it. Behind TLS add secure=True."""
    answer.set_cookie(_COOKIE, secret, max_age=_YEAR, httponly=True, samesite="strict")
    return answer
