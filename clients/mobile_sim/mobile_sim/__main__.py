"""`dispatch-phone`."""

from __future__ import annotations

from dispatch.cli import start

from mobile_sim.cli import app


def main() -> None:
    """Run the command line."""
    start(app)


if __name__ == "__main__":
    main()
