"""The command line: `serve` and `store`. Reads words and environment and hands them on; docs/cli.md is its contract."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from dispatch.address import Address, may_be_plaintext, refuse_plaintext
from dispatch.cli import Console, Exit, Version, guarded, program
from dispatch.errors import BadRequest

from dispatch_relay import settings

app = program(name="dispatch-relay", about="The relay of Dispatch: carries the thread of a phone and its host.")

store = typer.Typer(no_args_is_help=True, help="The version of the relay's store, and how to change it.")
app.add_typer(store, name="store")

_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 -- recognised, not listened on


@app.callback()
def _shared(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    _version: Version = False,
) -> None:
    context.obj = as_json
    # Whatever this program writes is for its own user only.
    os.umask(0o077)


@app.command()
def serve(
    context: typer.Context,
    *,
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0 takes a free one.", show_default=False)],
    data: Annotated[Path, typer.Option(help="Folder with all of the relay's state.", show_default=False)],
    pairing: Annotated[str, typer.Option(help="HOST:PORT of the pairing service.", show_default=False)],
    advertise: Annotated[
        str | None, typer.Option(help="HOST:PORT by which devices reach this relay, if not the one it listens on.")
    ] = None,
    metrics: Annotated[str | None, typer.Option(help="HOST:PORT of the Prometheus metrics.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM file: the certificate that devices are shown.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file: its key.")] = None,
    services_ca: Annotated[
        Path | None, typer.Option(help="PEM file: the authority of the pairing service's certificate.")
    ] = None,
    services_cert: Annotated[
        Path | None, typer.Option(help="PEM file: the certificate that the pairing service is shown.")
    ] = None,
    services_key: Annotated[Path | None, typer.Option(help="PEM file: its key.")] = None,
    push_contact: Annotated[
        str | None,
        typer.Option(help="Call phones by Web Push; whom push services may write to: mailto:you@example.org."),
    ] = None,
    push_key: Annotated[
        Path | None, typer.Option(help="PEM file: the VAPID key, if not the one that is made in the data folder.")
    ] = None,
    push_ca: Annotated[
        Path | None,
        typer.Option(help="PEM file: the authority of a push service of your own, in place of the usual ones."),
    ] = None,
    push_services: Annotated[
        Path | None, typer.Option(help="Call people by the services that this file names (ntfy, mail ...).")
    ] = None,
    web: Annotated[str | None, typer.Option(help="HOST:PORT where browsers open streams (docs/web.md).")] = None,
    web_advertise: Annotated[
        str | None, typer.Option(help="HOST:PORT by which browsers reach it, if not the one it listens on.")
    ] = None,
    web_origin: Annotated[
        list[str] | None, typer.Option(help="Pages of this origin may, https://phone.example; may stand several times.")
    ] = None,
    web_cert: Annotated[Path | None, typer.Option(help="PEM file: the certificate that browsers are shown.")] = None,
    web_key: Annotated[Path | None, typer.Option(help="PEM file: its key.")] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(help="Believe proxies in this network about where callers come from; may stand several times."),
    ] = None,
    database: Annotated[
        Path | None, typer.Option(help="File with the address of the PostgreSQL database of several relays.")
    ] = None,
    bus: Annotated[
        Path | None,
        typer.Option(help="File with the addresses of the NATS servers of several relays; with --database."),
    ] = None,
) -> None:
    """Run the relay until SIGTERM. Settings are read from DISPATCH_RELAY_* (docs/operations.md)."""
    console = Console.standard(as_json=context.obj)

    def run() -> Exit:
        # Importing grpc takes longer than `--help` may.
        from dispatch.runtime.certificate import CertificateFiles  # noqa: PLC0415
        from dispatch.runtime.peer import Proxies  # noqa: PLC0415
        from dispatch.tls import KeyFiles  # noqa: PLC0415

        from dispatch_relay.app import Options  # noqa: PLC0415
        from dispatch_relay.push.opening import PushOptions  # noqa: PLC0415

        try:
            options = Options(
                listen=Address.parse(listen),
                data=data,
                pairing=Address.parse(pairing),
                advertise=None if advertise is None else Address.parse(advertise),
                metrics=None if metrics is None else Address.parse(metrics),
                certificate=CertificateFiles.given(tls_cert, tls_key, option="--tls"),
                services_ca=services_ca,
                services=KeyFiles.given(services_cert, services_key, option="--services"),
                push=PushOptions(contact=push_contact, key=push_key, ca=push_ca, services=push_services),
                web=_web(
                    web, web_advertise, web_origin or [], CertificateFiles.given(web_cert, web_key, option="--web")
                ),
                shared=_shared_with(database, bus, ca=services_ca, cert=services_cert, key=services_key),
                plaintext=os.environ.get("DISPATCH_PLAINTEXT") == "1",
                proxies=Proxies.parse(proxy or ()),
            )
            _check(options)
            return _run(options, settings.read(os.environ), console)
        except ValueError as failure:
            raise BadRequest(str(failure)) from failure
        except OSError as failure:
            console.event({"event": "failed", "text": str(failure)}, console.styled(str(failure), fg="red"))
            return Exit.FAULT

    guarded(run, as_json=context.obj)


_Data = Annotated[Path, typer.Option(help="Folder with all of the relay's state.", show_default=False)]
_Database = Annotated[
    Path | None, typer.Option(help="File with the address of a PostgreSQL database, in place of SQLite in the folder.")
]


@store.command("version")
def store_version(context: typer.Context, *, data: _Data, database: _Database = None) -> None:
    """Say which version the store has, and which one this program knows."""
    from dispatch_relay import migrating  # noqa: PLC0415 -- a database's driver takes longer to import than `--help` may

    def run(console: Console) -> Exit:
        from dispatch_relay.migrations import HEAD  # noqa: PLC0415 -- as above

        found = migrating.version(data, database)
        console.event(
            {"event": "store", "version": found, "known": HEAD},
            f"The store has version {found or 'none: nothing is in it yet'}; this program knows up to {HEAD}.",
        )
        return Exit.DONE

    _on_store(context, run)


@store.command("upgrade")
def store_upgrade(context: typer.Context, *, data: _Data, database: _Database = None) -> None:
    """Bring the store to the version of this program, or make it. `serve` does so by itself."""
    from dispatch_relay import migrating  # noqa: PLC0415 -- as above

    def run(console: Console) -> Exit:
        from dispatch_relay.migrations import HEAD  # noqa: PLC0415 -- as above

        had = migrating.upgrade(data, database)
        console.event(
            {"event": "store", "version": HEAD, "before": had},
            f"The store has version {HEAD}" + (" already." if had == HEAD else f"; before, it had {had or 'none'}."),
        )
        return Exit.DONE

    _on_store(context, run)


@store.command("downgrade")
def store_downgrade(
    context: typer.Context,
    *,
    data: _Data,
    database: _Database = None,
    to: Annotated[str | None, typer.Option(help="The version to bring it to; one below, if not said.")] = None,
) -> None:
    """Bring the store to an older version, for an older program. No relay may run meanwhile."""
    from dispatch_relay import migrating  # noqa: PLC0415 -- as above

    def run(console: Console) -> Exit:
        now = migrating.downgrade(data, database, to=to)
        console.event({"event": "store", "version": now}, f"The store has version {now}.")
        return Exit.DONE

    _on_store(context, run)


def _on_store(context: typer.Context, run: Callable[[Console], Exit]) -> None:
    console = Console.standard(as_json=context.obj)

    def guard() -> Exit:
        try:
            return run(console)
        except ValueError as failure:
            raise BadRequest(str(failure)) from failure
        except OSError as failure:
            console.event({"event": "failed", "text": str(failure)}, console.styled(str(failure), fg="red"))
            return Exit.FAULT

    guarded(guard, as_json=context.obj)


def _shared_with(
    database: Path | None, bus: Path | None, *, ca: Path | None, cert: Path | None, key: Path | None
) -> Any:
    """Read where the database and the bus of several relays are; every mistake is said, not only the first."""
    from dispatch.runtime import bus as buses  # noqa: PLC0415 -- as above
    from dispatch.runtime.database import read_database  # noqa: PLC0415 -- as above
    from dispatch.tls import KeyFiles  # noqa: PLC0415 -- as above

    from dispatch_relay.app import SharedOptions  # noqa: PLC0415

    if database is None and bus is None:
        return None
    if database is None or bus is None:
        raise ValueError("--database and --bus go together")
    mistakes: list[str] = []
    read: list[Any] = []
    if find_spec("asyncpg") is None or find_spec("nats") is None:
        raise ValueError("--database and --bus need what the extra `scale` installs: dispatch-relay[scale]")
    for what in (
        lambda: read_database(database),
        lambda: buses.read(bus, ca=ca, keys=KeyFiles.given(cert, key, option="--services")),
    ):
        try:
            read.append(what())
        except ValueError as failure:
            mistakes.append(str(failure))
        except OSError as failure:
            mistakes.append(f"{failure.filename} can't be read: {failure.strerror}")
    if mistakes:
        raise ValueError("\n".join(mistakes))
    return SharedOptions(database=read[0], bus=read[1])


def _web(listen: str | None, advertise: str | None, origins: list[str], certificate: Any) -> Any:
    from dispatch.runtime.origins import Origins  # noqa: PLC0415 -- as above

    from dispatch_relay.app import WebOptions  # noqa: PLC0415

    if listen is None:
        if advertise is not None or origins or certificate is not None:
            raise ValueError("--web-advertise, --web-origin, --web-cert and --web-key are of --web HOST:PORT")
        return None
    if find_spec("websockets") is None:
        raise ValueError("--web needs what the extra `web` installs: dispatch-relay[web]")
    return WebOptions(
        listen=Address.parse(listen),
        advertise=None if advertise is None else Address.parse(advertise),
        origins=Origins.parse(origins),
        certificate=certificate,
    )


def _check(options: Any) -> None:
    for address in (options.listen, options.metrics):
        if address is not None and options.certificate is None:
            refuse_plaintext(address, allowed=options.plaintext)
    if options.services is not None and options.services_ca is None:
        raise ValueError("--services-cert and --services-key need --services-ca")
    if options.push.contact is None and (options.push.key is not None or options.push.ca is not None):
        raise ValueError("--push-key and --push-ca need --push-contact")
    if options.services is None and not may_be_plaintext(options.pairing, allowed=options.plaintext):
        raise ValueError(
            f"the pairing service at {options.pairing} wants to see a certificate: "
            "--services-ca, --services-cert and --services-key (docs/operations.md, TLS)"
        )
    if options.listen.host in _EVERYWHERE and options.advertise is None:
        raise ValueError(f"--advertise is needed: no device can dial {options.listen}")
    if options.web is not None:
        if options.web.certificate is None:
            refuse_plaintext(options.web.listen, allowed=options.plaintext)
        if options.web.listen.host in _EVERYWHERE and options.web.advertise is None:
            raise ValueError(f"--web-advertise is needed: no browser can dial {options.web.listen}")


def _run(options: Any, read: settings.Settings, console: Console) -> Exit:
    from dispatch.runtime.descriptors import make_room  # noqa: PLC0415 -- as above
    from dispatch.runtime.logs import configure  # noqa: PLC0415 -- as above
    from dispatch.runtime.server import stop_signal  # noqa: PLC0415

    from dispatch_relay import app as relay  # noqa: PLC0415

    configure(service="relay")
    make_room(
        connections=0 if options.web is None else read.web_connections,
        setting=settings.PREFIX + "WEB_CONNECTIONS",
    )

    def ready(running: relay.Running) -> None:
        metrics = None if running.metrics is None else str(running.metrics)
        web = None if running.web is None else str(running.web)
        console.event(
            {"event": "listening", "address": str(running.address), "metrics": metrics, "web": web},
            f"Listening on {running.address}"
            + (f", metrics on {metrics}" if metrics else "")
            + (f", for browsers on {web}" if web else ""),
        )

    async def work() -> None:
        await relay.serve(options, read, ready=ready, stopped=stop_signal())

    if sys.platform == "win32":
        asyncio.run(work())
    else:
        import uvloop  # noqa: PLC0415 -- not there on Windows

        uvloop.run(work())
    return Exit.DONE
