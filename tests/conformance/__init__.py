"""One corpus for every phone, in whatever language: docs/conformance.md. `.ci/run` and `make conformance` run this folder."""
