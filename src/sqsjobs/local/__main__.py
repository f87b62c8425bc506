"""``python -m sqsjobs.local``: the server as a process; its first line of output is its URL."""

from __future__ import annotations

import argparse

from sqsjobs.local.server import run


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sqsjobs.local", description="An SQS-compatible server, in memory.")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9324, help="0 for any that is free (default: %(default)s)")
    parser.add_argument("--announce", action="store_true", help="print the URL and nothing else")
    parser.add_argument("--allow-remote", action="store_true", help="listen on other interfaces than loopback")
    options = parser.parse_args()
    run(options.host, options.port, announce=options.announce, allow_remote=options.allow_remote)


if __name__ == "__main__":
    main()
