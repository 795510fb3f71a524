"""Serves the web phone: `python -m deploy.web BUNDLE --listen HOST:PORT --cert FILE --key FILE`. Ends at SIGTERM and Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from dispatch.address import Address
from dispatch.runtime.descriptors import make_room

from deploy.web import bundle
from deploy.web.site import CONNECTIONS, Keys, application, serve


async def run(options: argparse.Namespace) -> None:
    """Serve until told to end. Raises ValueError, OSError."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    files = bundle.read(options.bundle)
    make_room(connections=CONNECTIONS)
    site = application(files, services=options.service)
    server, bound = await serve(site, listen=options.listen, keys=Keys(options.cert, options.key))
    sys.stdout.write(f"listening on {bound}, {len(files)} files, {files[bundle.MANIFEST].content.decode().strip()}\n")
    sys.stdout.flush()
    try:
        await ended.wait()
    finally:
        await server.stop()


def main(words: Sequence[str]) -> int:
    """Do what the command line says; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.web", description=__doc__)
    parser.add_argument("bundle", type=Path, help="folder that make phone-build made")
    parser.add_argument("--listen", required=True, type=Address.parse, metavar="HOST:PORT")
    parser.add_argument("--cert", required=True, type=Path, help="PEM file: the certificate that browsers are shown")
    parser.add_argument("--key", required=True, type=Path, help="PEM file: its key")
    parser.add_argument(
        "--service", action="append", default=[], metavar="HOST:PORT", help="the page may talk to it; any if none"
    )
    try:
        asyncio.run(run(parser.parse_args(words)))
    except (ValueError, OSError) as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
