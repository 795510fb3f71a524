"""The command line: `serve`, and `account` with what an operator does. docs/cli.md and docs/pairing.md are its contract."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from dispatch.address import Address
from dispatch.cli import Console, Exit, Version, guarded, program
from dispatch.errors import BadRequest
from dispatch.mistakes import ANYWHERE, Mistakes, all_well
from dispatch.serve_options import Check, MetricsAt, ProxyNetworks, ServicesKey, TlsCert, TlsKey, WebCert, WebKey

from dispatch_pairing.keys_cli import keys
from dispatch_pairing.options import Data, Database, Keys, storage
from dispatch_pairing.store_cli import store

app = program(name="dispatch-pairing", about="The pairing service of Dispatch: accounts, offers, grants, trust.")
account = typer.Typer(help="Make and list accounts.", no_args_is_help=True)
app.add_typer(account, name="account")
app.add_typer(keys, name="keys")
app.add_typer(store, name="store")

_T = TypeVar("_T")
_LINE_BYTES = 64 * 1_024


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
    database: Database = None,
    bus: Annotated[
        Path | None,
        typer.Option(
            help="File with the addresses of the NATS servers; several services on one --database hear each other."
        ),
    ] = None,
    keys_in: Keys = None,
    relay: Annotated[
        str | None, typer.Option(help="The relay that devices are sent to, instead of those that register.")
    ] = None,
    web_relay: Annotated[
        str | None, typer.Option(help="The relay that browsers are sent to, instead of those that register.")
    ] = None,
    metrics: MetricsAt = None,
    advertise: Annotated[
        list[str] | None, typer.Option(help="A further HOST:PORT that devices may dial; may stand several times.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="What the service calls itself, for good; without it the first address advertised."),
    ] = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    services: Annotated[
        str | None, typer.Option(help="HOST:PORT for relays alone; needed when --listen is not on this computer.")
    ] = None,
    services_ca: Annotated[
        Path | None, typer.Option(help="PEM file: the authority whose certificates relays show there.")
    ] = None,
    services_cert: Annotated[Path | None, typer.Option(help="PEM file: the certificate shown there.")] = None,
    services_key: ServicesKey = None,
    web: Annotated[str | None, typer.Option(help="HOST:PORT for browsers: the account page, and calls.")] = None,
    web_origin: Annotated[
        list[str] | None,
        typer.Option(help="Pages of this origin may make calls, https://phone.example; may stand several times."),
    ] = None,
    web_cert: WebCert = None,
    web_key: WebKey = None,
    proxy: ProxyNetworks = None,
    history_days: Annotated[int, typer.Option(min=1, max=3650, help="How long the history of tasks is kept.")] = 90,
    check: Check = False,
) -> None:
    """Run the service until SIGTERM. docs/operations.md has a section on TLS."""
    console = Console.standard(as_json=context.obj)

    def run() -> Exit:
        # Importing grpc and SQL takes longer than `--help` may.
        from dispatch.runtime.certificate import CertificateFiles  # noqa: PLC0415
        from dispatch.runtime.peer import Proxies  # noqa: PLC0415

        from dispatch_pairing.app import Settings  # noqa: PLC0415
        from dispatch_pairing.limits import Limits  # noqa: PLC0415
        from dispatch_pairing.looking_over import look_over  # noqa: PLC0415
        from dispatch_pairing.settings import Operator, read  # noqa: PLC0415

        wrong = Mistakes()

        def shown(option: str, certificate: Path | None, key: Path | None, callers: Path | None = None) -> Any:
            return wrong.read(
                lambda: CertificateFiles.given(certificate, key, option=option, callers=callers), instead=None
            )

        def address(option: str, given: str | None) -> str | None:
            parsed = wrong.optional(option, Address.parse, given)
            return None if parsed is None else str(parsed)

        try:
            operator = wrong.read(lambda: read(os.environ), instead=Operator())
            nowhere = storage(data, None)
            settings = Settings(
                listen=wrong.option("--listen", Address.parse, listen, instead=ANYWHERE),
                storage=wrong.read(lambda: storage(data, database, keys_in), instead=nowhere),
                bus=_bus(
                    wrong,
                    bus,
                    database,
                    relay,
                    web_relay,
                    web_origin,
                    ca=services_ca,
                    cert=services_cert,
                    key=services_key,
                ),
                relay=address("--relay", relay),
                web_relay=address("--web-relay", web_relay),
                metrics=wrong.optional("--metrics", Address.parse, metrics),
                advertise=tuple(map(str, wrong.several("--advertise", Address.parse, advertise))),
                name=name,
                certificate=shown("--tls", tls_cert, tls_key),
                services=_services(wrong, services, shown("--services", services_cert, services_key, services_ca)),
                web=_web(wrong, web, web_origin or [], shown("--web", web_cert, web_key)),
                plaintext=os.environ.get("DISPATCH_PLAINTEXT") == "1",
                proxies=wrong.read(lambda: Proxies.parse(proxy or ()), instead=Proxies()),
                policy=operator.policy,
                provider=operator.provider,
                grant_ms=operator.grant_ms,
            )
            limits = Limits().keeping_history(days=history_days)
            look_over(settings, limits, wrong)
            if wrong.said:
                return wrong.refusal(console)
            if check:
                return all_well(console)
            return _run(_serve(settings, console, limits=limits))
        except ValueError as failure:
            raise BadRequest(str(failure)) from failure
        except OSError as failure:
            console.event({"event": "failed", "text": str(failure)}, console.styled(str(failure), fg="red"))
            return Exit.FAULT

    guarded(run, as_json=context.obj)


def _bus(
    wrong: Mistakes,
    file: Path | None,
    database: Path | None,
    relay: str | None,
    web_relay: str | None,
    web_origin: list[str] | None,
    *,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
) -> Any:
    from dispatch.runtime.bus import read  # noqa: PLC0415 -- as above
    from dispatch.tls import KeyFiles  # noqa: PLC0415 -- as above

    if (file is None) != (database is None):
        wrong.say("--database and --bus go together")
    if file is None:
        return None
    if find_spec("nats") is None:
        wrong.say("--bus needs what the extra `scale` installs: dispatch-pairing[scale]")
        return None
    # Each service knows only the relays that follow it: devices would be sent to some of them, or to none.
    if relay is None or (web_origin and web_relay is None):
        wrong.say("--bus needs --relay, and with --web-origin also --web-relay: the address of all relays")
    keys = wrong.read(lambda: KeyFiles.given(cert, key, option="--services"), instead=None)
    return wrong.read(lambda: read(file, ca=ca, keys=keys), instead=None)


def _services(wrong: Mistakes, listen: str | None, certificate: Any) -> Any:
    from dispatch_pairing.listeners import ServicesListener  # noqa: PLC0415 -- as above

    if (listen is None) != (certificate is None):
        wrong.say("--services, --services-ca, --services-cert and --services-key go together")
    at = wrong.optional("--services", Address.parse, listen)
    if at is None or certificate is None:
        return None
    return wrong.read(lambda: ServicesListener(at, certificate), instead=None)


def _web(wrong: Mistakes, listen: str | None, origins: list[str], certificate: Any) -> Any:
    from dispatch.runtime.origins import Origins  # noqa: PLC0415 -- as above

    from dispatch_pairing.listeners import WebListener  # noqa: PLC0415 -- as above

    if listen is None:
        if certificate is not None or origins:
            wrong.say("--web-origin, --web-cert and --web-key are of --web HOST:PORT")
        return None
    if origins and find_spec("connectrpc") is None:
        wrong.say("--web-origin needs what the extra `web` installs: dispatch-pairing[web]")
    at = wrong.option("--web", Address.parse, listen, instead=ANYWHERE)
    return WebListener(at, certificate, wrong.read(lambda: Origins.parse(origins), instead=Origins()))


async def _serve(settings: Any, console: Console, *, limits: Any) -> Exit:
    from dispatch.runtime.logs import configure  # noqa: PLC0415 -- as above
    from dispatch.runtime.server import stop_signal  # noqa: PLC0415

    from dispatch_pairing.app import running  # noqa: PLC0415

    configure(service="pairing")
    stopped = stop_signal()
    async with running(settings, limits=limits) as service:
        metrics = None if service.metrics is None else str(service.metrics)
        web = None if service.web is None else str(service.web)
        scheme = "http" if web is None or settings.web.certificate is None else "https"
        console.event(
            {
                "event": "listening",
                "address": str(service.address),
                "metrics": metrics,
                "services": None if service.services is None else str(service.services),
                "web": web,
                "name": service.service_name,
            },
            f"Listening on {service.address}"
            + (f", for relays on {service.services}" if service.services else "")
            + (f", metrics on {metrics}" if metrics else "")
            + (f", the account page on {scheme}://{web}" if web else ""),
        )
        await stopped.wait()
    return Exit.DONE


Name = Annotated[str, typer.Argument(help="The account's name.", show_default=False)]
PlanOf = Annotated[str, typer.Option("--plan", help="pro, max, team or enterprise.")]


@account.command("add")
def add(
    context: typer.Context,
    name: Name,
    data: Data,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    plan: PlanOf = "pro",
    database: Database = None,
) -> None:
    """Make an account; also while the service runs."""

    def run(console: Console) -> Exit:
        from dispatch_pairing import operator_desk  # noqa: PLC0415 -- as above

        if not password_stdin:
            raise BadRequest("pass the password on standard input, with --password-stdin")
        made = _run(operator_desk.add(name, _read_password(), storage(data, database), plan=plan))
        console.event({"event": "added", "account": made.name, "plan": made.plan}, f"Account {made.name} is there.")
        return Exit.DONE

    _at_desk(context, run)


def _at_desk(context: typer.Context, run: Callable[[Console], Exit]) -> None:
    console = Console.standard(as_json=context.obj)
    guarded(lambda: run(console), as_json=context.obj)


def _read_password() -> str:
    # Bytes, so that what the terminal's language setting makes of them does not matter.
    line = sys.stdin.buffer.readline(_LINE_BYTES).rstrip(b"\r\n")
    try:
        return line.decode()
    except UnicodeDecodeError as failure:
        raise BadRequest("the password is not UTF-8", metadata={"field": "password"}) from failure


@account.command("set")
def set_(
    context: typer.Context,
    name: Name,
    data: Data,
    plan: Annotated[str, typer.Option("--plan", help="pro, max, team or enterprise.", show_default=False)],
    database: Database = None,
) -> None:
    """Put an account on a plan; in force at its devices' next calls."""

    def run(console: Console) -> Exit:
        from dispatch_pairing import operator_desk  # noqa: PLC0415 -- as above

        account = _run(operator_desk.put_on(name, storage(data, database), plan=plan))
        told = {"event": "account", "account": account.name, "plan": account.plan, "created_at": account.created_ms}
        console.event(told, f"{account.name} is on {account.plan}.")
        return Exit.DONE

    _at_desk(context, run)


@account.command("link")
def link(
    context: typer.Context,
    name: Name,
    issuer: Annotated[
        str,
        typer.Option(
            envvar="DISPATCH_PAIRING_OIDC_ISSUER", help="The provider, as it calls itself.", show_default=False
        ),
    ],
    subject: Annotated[str, typer.Option(help="Who somebody is there: the claim `sub`.", show_default=False)],
    data: Data,
    database: Database = None,
) -> None:
    """Let somebody at a provider of sign-ins into an account, and into no other."""

    def run(console: Console) -> Exit:
        from dispatch_pairing import operator_desk  # noqa: PLC0415 -- as above

        linked = _run(operator_desk.link(name, storage(data, database), issuer=issuer, subject=subject))
        told = {"event": "linked", "account": linked.account, "issuer": issuer, "subject": subject}
        ending = f", no longer into {linked.before}." if linked.before not in (None, linked.account) else "."
        console.event(told | {"before": linked.before}, f"{subject} at {issuer} comes into {linked.account}{ending}")
        return Exit.DONE

    _at_desk(context, run)


@account.command("list")
def list_accounts(context: typer.Context, data: Data, database: Database = None) -> None:
    """List the accounts and their plans."""

    def run(console: Console) -> Exit:
        from dispatch_pairing import operator_desk  # noqa: PLC0415 -- as above

        for one in _run(operator_desk.list_all(storage(data, database))):
            told = {"event": "account", "account": one.name, "plan": one.plan, "created_at": one.created_ms}
            console.event(told, f"{one.plan:<12}{one.name}")
        return Exit.DONE

    _at_desk(context, run)


@account.command("invite")
def invite(
    context: typer.Context,
    data: Data,
    days: Annotated[int, typer.Option(min=1, max=365, help="How long the invitation is good.")] = 7,
    database: Database = None,
) -> None:
    """Print a code with which somebody can make one account, where the sign-up policy is "invitation"."""

    def run(console: Console) -> Exit:
        from dispatch_pairing import operator_desk  # noqa: PLC0415 -- as above

        code, expires_ms = _run(operator_desk.invite(storage(data, database), days=days))
        words = f"{code}\nGood once, for {days} days. It can't be shown again."
        console.event({"event": "invited", "invitation": code, "expires_at": expires_ms}, words)
        return Exit.DONE

    _at_desk(context, run)


@account.command("erase")
def erase(context: typer.Context, name: Name, data: Data, database: Database = None) -> None:
    """Erase an account with all that names it, for good: its devices are revoked, its pairings end."""

    def run(console: Console) -> Exit:
        from dispatch_pairing import operator_desk  # noqa: PLC0415 -- as above

        ended = _run(operator_desk.erase(name, storage(data, database)))
        words = f"{name} is erased; {ended} of its pairings ended. Relays hear of it within 5 s."
        console.event({"event": "erased", "account": name, "pairings_ended": ended}, words)
        return Exit.DONE

    _at_desk(context, run)


def _run(main: Coroutine[Any, Any, _T]) -> _T:
    if sys.platform == "win32":
        return asyncio.run(main)
    import uvloop  # noqa: PLC0415 -- not there on every platform

    return uvloop.run(main)
