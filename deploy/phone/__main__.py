"""`make phone`: serves the web phone here, over https, until Ctrl-C. Exit 0 then; everything is gone afterwards."""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import io
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import segno
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deploy.demo.__main__ import own_folder
from deploy.demo.screen import BOLD, RED, Screen
from deploy.phone.stage import Opened, PartEnded, Stage, StageError

BIN = Path(sys.executable).parent
BUILT = Path(__file__).parents[2] / "clients" / "web_phone" / "dist"


def drawn(address: str) -> str:
    """Draw an address as a QR code, for a terminal."""
    text = io.StringIO()
    segno.make(address, error="m", micro=False).terminal(text, compact=True, border=2)
    return text.getvalue()


def known_by(certificate: Path) -> str:
    """Give what Chromium calls a certificate's key: the digest that lets one start of it believe in that key alone."""
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    public = found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(public).digest()).decode()


def tell(screen: Screen, opened: Opened, *, name: str) -> None:
    """Say where it is, how to sign in and pair, and how a browser comes to believe the certificate."""
    screen.chapter("The web phone")
    screen.say(f"  {opened.address}", BOLD)
    screen.say(drawn(opened.address))
    screen.fact(f"Service   {opened.service}")
    screen.fact(f"Account   {opened.account}")
    screen.fact(f"Password  {opened.password}")
    screen.fact(f"To pair, in a second terminal:  {BIN}/dispatch-host pair --home {opened.host}")
    screen.chapter("The certificate was made just now, and no browser believes it yet")
    screen.fact("Without that belief the page can't be installed nor work without a network, so do not click it away.")
    screen.fact("A Chromium on this computer that believes this one key and is forgotten afterwards:")
    key = known_by(opened.authority.with_name("tls.pem"))
    screen.fact(f'chromium --user-data-dir="$(mktemp -d)" --ignore-certificate-errors-spki-list={key} {opened.address}')
    screen.fact(f"Any browser: import {opened.authority} as an authority for web sites.")
    if name == "localhost":
        screen.fact(
            "A real phone can't reach this address. With this computer's address in your network:  make phone ADDRESS=192.168.1.20"
        )
    else:
        screen.fact("A phone: bring that file there, by cable or mail, and install it:")
        screen.fact("  Android: Settings, Security, More, Install a certificate, CA certificate.")
        screen.fact(
            "  iPhone: open it, Settings, Profile Downloaded, Install; then General, About, Certificate Trust Settings."
        )
    screen.fact("Take it out again afterwards. Its key is in the memory of this program, and ends with it.")
    screen.say("\nCtrl-C ends everything and forgets it.")


async def run(screen: Screen, options: argparse.Namespace) -> None:
    """Open the stage, and close it, whatever ends it."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    with tempfile.TemporaryDirectory(prefix="dispatch-phone-") as folder:
        stage = Stage(Path(folder), BUILT, name=options.address, port=options.port, password=secrets.token_urlsafe(9))
        waiting = [asyncio.create_task(ended.wait()), asyncio.create_task(show(screen, stage, options))]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await stage.stop()


async def show(screen: Screen, stage: Stage, options: argparse.Namespace) -> None:
    """Start everything, say it, and go on for as long as the services run. Raises StageError, PartEnded."""
    screen.say("Starting the services and a host with sample files ...")
    opened = await stage.open(options.folder)
    tell(screen, opened, name=options.address)

    def host_gone(code: int) -> None:
        screen.say(f"\nThe host has ended, with exit code {code}. The services and the page go on. To start it again:")
        screen.fact(f"{BIN}/dispatch-host run --home {opened.host}")

    await stage.go_on(host_gone)


def main(words: Sequence[str]) -> int:
    """Do what the command line says; gives the exit code."""
    parser = argparse.ArgumentParser(prog="make phone", description=__doc__)
    parser.add_argument("--folder", type=own_folder, help="your own files instead of samples; they are only read")
    parser.add_argument("--address", default="localhost", help="an address of this computer that a phone reaches")
    parser.add_argument("--port", type=int, default=0, help="of the page; any that is free")
    options = parser.parse_args(words)
    screen = Screen(out=sys.stdout, colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    try:
        asyncio.run(run(screen, options))
    except PartEnded as part:
        screen.say(f"Ended: {part}. Nothing is left behind.", RED)
        return 1
    except (StageError, AssertionError, TimeoutError, ValueError, OSError) as failure:
        screen.say(f"It did not start: {failure}", RED)
        return 1
    with contextlib.suppress(OSError):
        screen.say("\nEnded; nothing is left behind.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
