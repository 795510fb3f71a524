"""`python -m dispatch_pairing` and `dispatch-pairing`."""

from dispatch.cli import start

from dispatch_pairing.cli import app


def main() -> None:
    """Run the command line."""
    start(app)


if __name__ == "__main__":
    main()
