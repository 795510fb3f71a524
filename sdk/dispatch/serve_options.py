"""Options that `serve` of both services has, in the same words. Used by their `cli.py`; imports nothing that is slow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MetricsAt = Annotated[str | None, typer.Option("--metrics", help="HOST:PORT of the Prometheus metrics.")]

TlsCert = Annotated[Path | None, typer.Option("--tls-cert", help="PEM file: the certificate that devices are shown.")]
WebCert = Annotated[Path | None, typer.Option("--web-cert", help="PEM file: the certificate that browsers are shown.")]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="PEM file: its key.")]
WebKey = Annotated[Path | None, typer.Option("--web-key", help="PEM file: its key.")]
ServicesKey = Annotated[Path | None, typer.Option("--services-key", help="PEM file: its key.")]

ProxyNetworks = Annotated[
    list[str] | None,
    typer.Option(
        "--proxy", help="Believe proxies in this network about where callers come from; may stand several times."
    ),
]

Check = Annotated[
    bool,
    typer.Option("--check", help="Look over options, files and settings, say all mistakes, and start nothing."),
]
