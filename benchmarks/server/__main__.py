"""The benchmark server as a process of its own: prints its URL, and serves until it is ended."""

from __future__ import annotations

import argparse
import asyncio
import gc

import uvloop

from benchmarks.server.http import Connection
from benchmarks.server.operations import House


async def serve(port: int) -> None:
    """Serve on a port of the loopback interface, 0 for any."""
    house = House()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(house), "127.0.0.1", port)
    house.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(house.url, flush=True)
    gc.freeze()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(serve(parser.parse_args().port))
