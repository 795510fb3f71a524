"""Which model, at which model provider, with which key, and how much it may use. docs/language-model.md.

Read anew for each task, from the file `agents.toml` of the home and from the environment, which outweighs it. What is wrong is
said in sentences without paths: they go to the phone.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dispatch.address import Address, may_be_plaintext
from dispatch.secret_file import others_may

FILE = "agents.toml"
_PREFIX = "DISPATCH_HOST_LLM_"
_KEY_BYTES = 4096
_MOST = 10**9


class NotSet(Exception):
    """The agent can't be used as it is set. `why` is sentences for a person."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Api(StrEnum):
    """Which words a model provider speaks."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    OPENAI_COMPATIBLE = (
        "openai-compatible"  # those of OpenAI, at an address of the owner's: Ollama, vLLM, or another provider
    )


_USUAL = {Api.ANTHROPIC: "https://api.anthropic.com", Api.OPENAI: "https://api.openai.com/v1"}
_PACKAGES = {Api.ANTHROPIC: "anthropic", Api.OPENAI: "openai", Api.OPENAI_COMPATIBLE: "openai"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    """The settings, checked."""

    provider: Api
    model: str
    base_url: str
    key_file: Path | None = field(default=None, repr=False)
    requests: int = 50  # asked of the model in one task, tries included
    tokens: int = 1_000_000  # in and out, in one task, as the provider counts them
    answer_tokens: int = 8192  # of one answer
    conversation_bytes: int = 400_000  # of what tools gave, kept in the conversation; older ones are left out

    @property
    def is_here(self) -> bool:
        """Whether the model is asked on this computer, so that nothing leaves it."""
        return _address(self.base_url).is_loopback

    @property
    def at(self) -> str:
        """Give where the model's server is, for a person: scheme, host and port, without the path."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"


_NUMBERS = ("requests", "tokens", "answer_tokens", "conversation_bytes")


def read(home: Path, environment: Mapping[str, str]) -> LlmSettings:
    """Read the settings. Raises NotSet that names every mistake at once."""
    said = {**_of_file(home / FILE), **_of_environment(environment)}
    known = {one.name for one in fields(LlmSettings)}
    if not said:
        raise NotSet(
            "No model is set. Write provider, model and key_file under [llm] into agents.toml in the home of dispatch-host."
        )
    wrong = [f"there is no setting {name!r}" for name in said if name not in known]
    provider = next((one for one in Api if one.value == said.get("provider")), None)
    if provider is None:
        wrong.append(f"provider is one of {', '.join(Api)}")
    model = said.get("model")
    if not isinstance(model, str) or not model or len(model) > 200 or not model.isprintable():
        wrong.append("model is the name of a model")
    base_url = said.get("base_url") or (_USUAL.get(provider, "") if provider else "")
    if problem := _bad_url(base_url, allowed=environment.get("DISPATCH_PLAINTEXT") == "1"):
        wrong.append(problem)
    key_file = said.get("key_file")
    if key_file is not None and not isinstance(key_file, str):
        wrong.append("key_file is a path")
    elif not key_file and provider in (Api.ANTHROPIC, Api.OPENAI):
        wrong.append("key_file names the file with the key")
    numbers = {name: _number(said[name]) for name in _NUMBERS if name in said}
    wrong += [f"{name} is a whole number above 0" for name, value in numbers.items() if value is None]
    if wrong or provider is None:
        raise NotSet(f"The settings of the language model are wrong: {'; '.join(wrong)}.")
    return LlmSettings(
        provider=provider,
        model=str(model),
        base_url=str(base_url),
        key_file=Path(key_file).expanduser() if key_file else None,
        **{name: value for name, value in numbers.items() if value is not None},
    )


def check_installed(settings: LlmSettings) -> None:
    """Look whether what speaks with the provider is installed. Raises NotSet."""
    if find_spec("pydantic_ai") is None or find_spec(_PACKAGES[settings.provider]) is None:
        raise NotSet("What speaks with models is not installed: pip install 'dispatch-host[llm]'.")


def read_key(settings: LlmSettings) -> str:
    """Read the key from its file, which only its owner may read; empty where none is set. Raises NotSet."""
    if settings.key_file is None:
        return ""
    try:
        fd = os.open(settings.key_file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as failure:
        raise NotSet(f"The file that key_file names can't be read: {failure.strerror}.") from None
    with os.fdopen(fd, "rb") as file:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid not in (0, os.geteuid()):
            raise NotSet("What key_file names is no file of yours.")
        if others_may(facts):
            raise NotSet("The file that key_file names may be read by others: chmod 600.")
        written = file.read(_KEY_BYTES + 1)
    key = written.decode("ascii", "replace").strip()
    if not key or len(written) > _KEY_BYTES or not key.isascii() or not key.isprintable() or " " in key:
        raise NotSet("The file that key_file names holds no key: one line, nothing else.")
    return key


def _of_file(path: Path) -> dict[str, Any]:
    try:
        said = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as failure:
        raise NotSet(f"{FILE} can't be read: {failure.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise NotSet(f"{FILE} is not TOML.") from None
    table = said.get("llm", {})
    if not isinstance(table, dict):
        raise NotSet(f"[llm] in {FILE} is no table.")
    return table


def _of_environment(environment: Mapping[str, str]) -> dict[str, str]:
    names = {f"{_PREFIX}{one.name.upper()}": one.name for one in fields(LlmSettings)}
    return {name: environment[variable] for variable, name in names.items() if environment.get(variable)}


def _number(said: object) -> int | None:
    if isinstance(said, str) and said.isascii() and said.isdecimal() and len(said) < 12:
        said = int(said)
    return said if isinstance(said, int) and not isinstance(said, bool) and 0 < said < _MOST else None


def _address(url: str) -> Address:
    parts = urlsplit(url)
    return Address(parts.hostname or "", parts.port or 443)


def _bad_url(url: object, *, allowed: bool) -> str:
    """Say what is wrong with an address; nothing if it is fine. Contents of files go there: not in the clear off this computer."""
    if not isinstance(url, str) or not url:
        return "base_url is the address of the model's server"
    try:
        parts = urlsplit(url)
        address = _address(url)
    except ValueError:
        return "base_url is no address"
    if parts.scheme not in ("http", "https") or not address.host or parts.username is not None or parts.query:
        return "base_url is http:// or https:// with a host, and without a name, a key or a query"
    if parts.scheme == "http" and not may_be_plaintext(address, allowed=allowed):
        return "base_url is https://, but for a server on this computer"
    return ""
