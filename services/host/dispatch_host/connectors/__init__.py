"""Connectors: servers of the Model Context Protocol that agents may use, each call permitted and asked for. docs/connectors.md.

`Connectors` is the toolbox and the owner's view; `definition`, `life`, `offer` and `answer` are its pure parts, `line` is one
connection. The SDK of the protocol is an extra and slow to import: `line`, `stdio`, `http` and `passing` alone know it, and
are imported when a connector starts.
"""
