"""Make what compose.scale.yaml needs besides certificates of `certs`: passwords, addresses, certificates of servers not ours.

Run by the certs job of `make up SCALE=1`, in a container without a network. What is made stays in volumes, one for each
container: no password is in the repository, in an environment or on a command line, and each container sees its own.
Needs what `certs` needs. docs/operations.md "In containers" says who reads which file.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from deploy.certs import HERE, authority, keep, make, put

SERVICES = ("pairing", "relay")
_PASSWORD_BYTES = 24

Token = Callable[[int], str]
"""Gives a new secret of so many random bytes, in letters, digits, - and _."""


def fill(folder: Path, *, now: datetime, token: Token = secrets.token_urlsafe) -> None:
    """Make all that is missing or ends soon, and leave all else alone. Raises ValueError and OSError."""
    make(folder, extra_names=(), renew=True, now=now)
    public, services = authority(folder, "ca"), authority(folder, "services-ca")
    for server in ("postgres", "nats"):
        keep(folder / server / "tls", (server,), by=services, now=now)
        put(folder / server / "services-ca.pem", services.pem, mode=0o644)
    balancer = folder / "balancer"
    keep(balancer / "tls", ("balancer", *HERE), by=public, now=now)
    # One file with both is what HAProxy reads.
    put(balancer / "shown.pem", (balancer / "tls.pem").read_bytes() + (balancer / "tls.key").read_bytes(), mode=0o600)
    put(balancer / "ca.pem", public.pem, mode=0o644)
    for service in SERVICES:
        # The database's own copy first: a cut between both leaves a service that waits, not a database that knows no password.
        password = _kept(folder / "postgres" / f"{service}.password", lambda: token(_PASSWORD_BYTES))
        put(folder / service / "database", f"{_database(service, password)}\n".encode(), mode=0o600)
        put(folder / service / "bus", b"tls://nats:4222\n", mode=0o600)


def _database(service: str, password: str) -> str:
    sure = "sslmode=verify-full&sslrootcert=/certs/services-ca.pem"
    return f"postgresql://{service}:{password}@postgres:5432/{service}?{sure}"


def _kept(path: Path, new: Callable[[], str]) -> str:
    """Give what is in a file, or what is put there now."""
    if not path.exists():
        put(path, new().encode(), mode=0o600)
    return path.read_text()


def main(words: Sequence[str]) -> int:
    """Do what the command line says; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.scale_secrets", description=__doc__)
    parser.add_argument("--into", type=Path, required=True, help="folder, readable by you alone")
    try:
        fill(parser.parse_args(words).into, now=datetime.now(UTC))
    except (OSError, ValueError, TypeError) as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
