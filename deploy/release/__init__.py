"""What makes and checks a release: docs/releasing.md. Called by the Makefile and by tests; part of no distribution."""
