"""What an operator says about the provider of sign-ins, read once from the environment; every mistake is reported.

docs/operations.md repeats the table. Called by settings.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dispatch import secret_file

from dispatch_pairing.oidc.discovery import is_safe

PREFIX = "DISPATCH_PAIRING_OIDC_"
NEEDED = ("ISSUER", "CLIENT_ID")
SETTINGS: Mapping[str, str] = {
    "ISSUER": "the provider's address, exactly as it calls itself; without it there is no provider",
    "CLIENT_ID": "what the provider calls this service",
    "CLIENT_SECRET_FILE": "file with the secret that goes with it; without one this service is a public client",
    "SCOPES": "what is asked for: `openid` and, for the names of new accounts, `profile`",
    "CA": "PEM file of the authority of the provider's certificate, instead of the computer's own list",
    "SIGN_UP": "`open`: whoever the provider lets in gets an account; `closed`: only those whom `account link` named, "
    "unless `DISPATCH_PAIRING_SIGN_UP` is `open`",
}
DEFAULTS: Mapping[str, str] = {"SCOPES": "openid profile", "SIGN_UP": "closed"}
_SECRET_BYTES = 4_096


class BadSettings(ValueError):
    """The environment is wrong; the text names each mistake on a line of its own."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The provider that this service works with."""

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    """None for a public client."""
    scopes: str = DEFAULTS["SCOPES"]
    ca: Path | None = None
    newcomers: bool = False
    """Whether somebody without an account gets one."""


def read(environment: Mapping[str, str]) -> ProviderSettings | None:
    """Read the settings; None when there are none. Raises BadSettings."""
    given = {name.removeprefix(PREFIX): text for name, text in environment.items() if name.startswith(PREFIX)}
    if not given:
        return None
    mistakes = [f"{PREFIX}{name} is not a setting" for name in sorted(given.keys() - SETTINGS.keys())]
    mistakes += [f"{PREFIX}{name} is missing" for name in NEEDED if not given.get(name)]
    said = {**DEFAULTS, **given}
    issuer, scopes, sign_up = said.get("ISSUER", ""), said["SCOPES"].split(), said["SIGN_UP"]
    if issuer and ("?" in issuer or not is_safe(issuer, loopback=True)):
        mistakes.append(f"{PREFIX}ISSUER is {issuer!r}, not an https address without a query")
    if "openid" not in scopes:
        mistakes.append(f"{PREFIX}SCOPES is {said['SCOPES']!r}, without openid")
    if sign_up not in ("open", "closed"):
        mistakes.append(f"{PREFIX}SIGN_UP is {sign_up!r}, neither open nor closed")
    secret, ca = said.get("CLIENT_SECRET_FILE"), said.get("CA")
    client_secret = None
    if secret is not None:
        try:
            client_secret = _secret(Path(secret))
        except ValueError as problem:
            mistakes.append(f"{PREFIX}CLIENT_SECRET_FILE: {problem}")
    if ca is not None and not Path(ca).is_file():
        mistakes.append(f"{PREFIX}CA is {ca!r}, not a file")
    if mistakes:
        raise BadSettings("\n".join(mistakes))
    return ProviderSettings(
        issuer=issuer,
        client_id=said["CLIENT_ID"],
        client_secret=client_secret,
        scopes=" ".join(scopes),
        ca=None if ca is None else Path(ca),
        newcomers=sign_up == "open",
    )


def _secret(file: Path) -> str:
    """Read the first line. Raises ValueError; nothing of the content is in it."""
    try:
        line = secret_file.read(file, most_bytes=_SECRET_BYTES).partition(b"\n")[0].strip()
    except OSError as failure:
        raise ValueError(f"{file} can't be read: {failure.strerror}") from failure
    try:
        text = line.decode("ascii")
    except UnicodeDecodeError:
        raise ValueError(f"the first line of {file} is not ASCII") from None
    if not text:
        raise ValueError(f"the first line of {file} is empty")
    return text
