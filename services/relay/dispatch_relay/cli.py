"""The command line: `serve` and `store`. Reads words and environment and hands them on; docs/cli.md is its contract."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from dispatch.address import Address, may_be_plaintext, refuse_plaintext
from dispatch.cli import Console, Exit, Version, guarded, program
from dispatch.errors import BadRequest
from dispatch.mistakes import ANYWHERE, Mistakes, all_well
from dispatch.serve_options import Check, MetricsAt, ProxyNetworks, ServicesKey, TlsCert, TlsKey, WebCert, WebKey

from dispatch_relay import settings, store_cli
from dispatch_relay.store_backup import Data

app = program(name="dispatch-relay", about="The relay of Dispatch: carries the thread of a phone and its host.")

app.add_typer(store_cli.store, name="store")

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
    data: Data,
    pairing: Annotated[str, typer.Option(help="HOST:PORT of the pairing service.", show_default=False)],
    advertise: Annotated[
        str | None, typer.Option(help="HOST:PORT by which devices reach this relay, if not the one it listens on.")
    ] = None,
    metrics: MetricsAt = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    services_ca: Annotated[
        Path | None, typer.Option(help="PEM file: the authority of the pairing service's certificate.")
    ] = None,
    services_cert: Annotated[
        Path | None, typer.Option(help="PEM file: the certificate that the pairing service is shown.")
    ] = None,
    services_key: ServicesKey = None,
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
    web_cert: WebCert = None,
    web_key: WebKey = None,
    proxy: ProxyNetworks = None,
    database: Annotated[
        Path | None, typer.Option(help="File with the address of the PostgreSQL database of several relays.")
    ] = None,
    bus: Annotated[
        Path | None,
        typer.Option(help="File with the addresses of the NATS servers of several relays; with --database."),
    ] = None,
    check: Check = False,
) -> None:
    """Run the relay until SIGTERM. Settings are read from DISPATCH_RELAY_* (docs/operations.md)."""
    console = Console.standard(as_json=context.obj)

    def run() -> Exit:
        # Importing grpc takes longer than `--help` may.
        from dispatch.runtime.certificate import CertificateFiles  # noqa: PLC0415
        from dispatch.runtime.peer import Proxies  # noqa: PLC0415
        from dispatch.tls import KeyFiles  # noqa: PLC0415

        from dispatch_relay.looking_over import look_over  # noqa: PLC0415
        from dispatch_relay.options import Options  # noqa: PLC0415
        from dispatch_relay.push.opening import PushOptions  # noqa: PLC0415

        wrong = Mistakes()

        def shown(option: str, certificate: Path | None, key: Path | None) -> CertificateFiles | None:
            return wrong.read(lambda: CertificateFiles.given(certificate, key, option=option), instead=None)

        try:
            read = wrong.read(lambda: settings.read(os.environ), instead=settings.Settings())
            identity = wrong.read(
                lambda: KeyFiles.given(services_cert, services_key, option="--services"), instead=None
            )
            options = Options(
                listen=wrong.option("--listen", Address.parse, listen, instead=ANYWHERE),
                data=data,
                pairing=wrong.option("--pairing", Address.parse, pairing, instead=ANYWHERE),
                advertise=wrong.optional("--advertise", Address.parse, advertise),
                metrics=wrong.optional("--metrics", Address.parse, metrics),
                certificate=shown("--tls", tls_cert, tls_key),
                services_ca=services_ca,
                services=identity,
                shared=_shared_with(wrong, database, bus, ca=services_ca, keys=identity),
                push=PushOptions(contact=push_contact, key=push_key, ca=push_ca, services=push_services),
                web=_web(wrong, web, web_advertise, web_origin or [], shown("--web", web_cert, web_key)),
                plaintext=os.environ.get("DISPATCH_PLAINTEXT") == "1",
                proxies=wrong.read(lambda: Proxies.parse(proxy or ()), instead=Proxies()),
            )
            _check(options, wrong)
            look_over(options, read, wrong)
            if wrong.said:
                return wrong.refusal(console)
            if check:
                return all_well(console)
            return _run(options, read, console)
        except ValueError as failure:
            raise BadRequest(str(failure)) from failure
        except OSError as failure:
            console.event({"event": "failed", "text": str(failure)}, console.styled(str(failure), fg="red"))
            return Exit.FAULT

    guarded(run, as_json=context.obj)


def _shared_with(wrong: Mistakes, database: Path | None, bus: Path | None, *, ca: Path | None, keys: Any) -> Any:
    """Read where the database and the bus of several relays are; None for one relay, and for a mistake."""
    from dispatch.runtime import bus as buses  # noqa: PLC0415 -- as above
    from dispatch.runtime.database import read_database  # noqa: PLC0415 -- as above

    from dispatch_relay.options import SharedOptions  # noqa: PLC0415

    if database is None and bus is None:
        return None
    if database is None or bus is None:
        wrong.say("--database and --bus go together")
    if find_spec("asyncpg") is None or find_spec("nats") is None:
        wrong.say("--database and --bus need what the extra `scale` installs: dispatch-relay[scale]")
        return None
    # Each by itself, so that what is wrong with one is said also where the other is not named.
    found = None if database is None else wrong.read(lambda: read_database(database), instead=None)
    heard = None if bus is None else wrong.read(lambda: buses.read(bus, ca=ca, keys=keys), instead=None)
    return None if found is None or heard is None else SharedOptions(database=found, bus=heard)


def _web(wrong: Mistakes, listen: str | None, advertise: str | None, origins: list[str], certificate: Any) -> Any:
    from dispatch.runtime.origins import Origins  # noqa: PLC0415 -- as above

    from dispatch_relay.options import WebOptions  # noqa: PLC0415

    if listen is None:
        if advertise is not None or origins or certificate is not None:
            wrong.say("--web-advertise, --web-origin, --web-cert and --web-key are of --web HOST:PORT")
        return None
    if find_spec("websockets") is None:
        wrong.say("--web needs what the extra `web` installs: dispatch-relay[web]")
    return WebOptions(
        listen=wrong.option("--web", Address.parse, listen, instead=ANYWHERE),
        advertise=wrong.optional("--web-advertise", Address.parse, advertise),
        origins=wrong.read(lambda: Origins.parse(origins), instead=Origins()),
        certificate=certificate,
    )


def _check(options: Any, wrong: Mistakes) -> None:
    in_the_clear = [one for one in (options.listen, options.metrics) if one is not None and options.certificate is None]
    if options.web is not None and options.web.certificate is None:
        in_the_clear.append(options.web.listen)
    for address in in_the_clear:
        wrong.look(partial(refuse_plaintext, address, allowed=options.plaintext))
    if options.services is not None and options.services_ca is None:
        wrong.say("--services-cert and --services-key need --services-ca")
    if options.push.contact is None and (options.push.key is not None or options.push.ca is not None):
        wrong.say("--push-key and --push-ca need --push-contact")
    if options.services is None and not may_be_plaintext(options.pairing, allowed=options.plaintext):
        wrong.say(
            f"the pairing service at {options.pairing} wants to see a certificate: "
            "--services-ca, --services-cert and --services-key (docs/operations.md, TLS)"
        )
    if options.listen.host in _EVERYWHERE and options.advertise is None:
        wrong.say(f"--advertise is needed: no device can dial {options.listen}")
    if options.web is not None and options.web.listen.host in _EVERYWHERE and options.web.advertise is None:
        wrong.say(f"--web-advertise is needed: no browser can dial {options.web.listen}")


def _run(options: Any, read: settings.Settings, console: Console) -> Exit:
    from dispatch.runtime.logs import configure  # noqa: PLC0415 -- as above
    from dispatch.runtime.server import stop_signal  # noqa: PLC0415

    from dispatch_relay.app import serve  # noqa: PLC0415
    from dispatch_relay.garbage import collect_seldom  # noqa: PLC0415
    from dispatch_relay.listeners import Running  # noqa: PLC0415

    configure(service="relay")

    def ready(running: Running) -> None:
        metrics = None if running.metrics is None else str(running.metrics)
        web = None if running.web is None else str(running.web)
        console.event(
            {"event": "listening", "address": str(running.address), "metrics": metrics, "web": web},
            f"Listening on {running.address}"
            + (f", metrics on {metrics}" if metrics else "")
            + (f", for browsers on {web}" if web else ""),
        )

    collect_seldom()

    async def work() -> None:
        await serve(options, read, ready=ready, stopped=stop_signal())

    if sys.platform == "win32":
        asyncio.run(work())
    else:
        import uvloop  # noqa: PLC0415 -- not there on Windows

        uvloop.run(work())
    return Exit.DONE
