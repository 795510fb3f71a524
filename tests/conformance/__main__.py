"""`python -m tests.conformance`: our own phones, or with `--client` somebody else's. docs/conformance.md."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
import tempfile
from pathlib import Path

from tests.conformance.clients import BUILDERS, CannotBuild, Registered, somebodys
from tests.conformance.corpus import FAILED, Result, failures, scenarios, show, vectors
from tests.conformance.scenarios import SCENARIOS


async def checked(registered: Registered, *, only_vectors: bool) -> list[Result]:
    """Check one client; gives all results and prints them."""
    results = await vectors(registered)
    if not only_vectors:
        with tempfile.TemporaryDirectory() as folder:
            results += await scenarios(registered, Path(folder))
    show(registered.name, results)
    return failures(results, expected=0 if only_vectors else len(SCENARIOS))


async def main(options: argparse.Namespace) -> int:
    """Check the clients that are named; the exit code is 0 when nothing failed."""
    bad: list[Result] = []
    if options.client:
        bad += await checked(somebodys(shlex.split(options.client), options.carrier), only_vectors=options.vectors)
    for name in [] if options.client else options.own or BUILDERS:
        try:
            registered = await BUILDERS[name]()
        except CannotBuild as why:
            sys.stdout.write(f"{name:<8} NOT RUN    {why}\n")
            bad.append(Result(name, FAILED))
            continue
        bad += await checked(registered, only_vectors=options.vectors)
    sys.stdout.write(f"\n{len(bad)} failed\n")
    return 1 if bad else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--client", help="the command that starts the client, with its words")
    parser.add_argument("--carrier", choices=("grpc", "web"), default="grpc", help="how it reaches the services")
    parser.add_argument("--own", action="append", choices=sorted(BUILDERS), help="one of ours; may stand several times")
    parser.add_argument("--vectors", action="store_true", help="the vectors only")
    sys.exit(asyncio.run(main(parser.parse_args())))
