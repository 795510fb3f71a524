"""`python -m dispatch_relay` and `dispatch-relay`."""

from dispatch.cli import start

from dispatch_relay.cli import app


def main() -> None:
    """Run the command line."""
    start(app)


if __name__ == "__main__":
    main()
