"""The benchmark server as a process of its own: prints its URL, and serves until it is ended."""

from __future__ import annotations

import argparse
import asyncio
import gc
import ssl

import uvloop

from benchmarks.server.http import Connection
from benchmarks.server.operations import House


async def serve(port: int, certificate: str | None) -> None:
    """Serve on a port of the loopback interface, 0 for any; over TLS with a certificate, a file that has its key, too."""
    house, tls = House(), None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(house), "127.0.0.1", port, ssl=tls)
    house.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(house.url, flush=True)
    gc.freeze()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate", help="a PEM file, to serve over TLS with")
    given = parser.parse_args()
    uvloop.run(serve(given.port, given.certificate))
