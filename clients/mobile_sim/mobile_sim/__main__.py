"""`dispatch-phone`."""

from __future__ import annotations

import os

from dispatch.cli import start

from mobile_sim.cli import app


def main() -> None:
    """Run the command line."""
    # What grpc has to say of connections (GOAWAY …) is not for the person at this terminal; it is read at its import.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    start(app)


if __name__ == "__main__":
    main()
