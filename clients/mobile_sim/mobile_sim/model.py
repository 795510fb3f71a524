"""The model that a phone may have: where it is, and one question to it, asked as OpenAI's chat completions are, and most others'.

One request by the standard library: a library of providers would be twenty times this phone. The key is read from its file at each
use, and goes to the one address that the person named, never along a redirect. Called by `here` and `model_cli`.
"""

from __future__ import annotations

import json
import os
import stat
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from dispatch import errors
from dispatch.address import Address, may_be_plaintext
from dispatch.device.home import Home, read_private, write_private
from dispatch.storing import storing

FILE = "model.json"
ANSWER_SECONDS = 30.0
"""For each of connecting and the next bytes of the answer; the whole takes twice that at most, by whoever waits."""
ANSWER_BYTES = 256 * 1024
KEY_BYTES = 4096

_INSTRUCTIONS = (
    "You answer on a phone, in a few sentences, in the language of the question. You have no tools and see no files, and what the"
    " person asked before is not known to you. Say so where that is what the question needs."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Where a model is."""

    url: str
    """Up to what stands before `/chat/completions`: "http://127.0.0.1:11434/v1"."""
    name: str
    key_file: str = ""
    """Empty for a server that wants none."""

    @classmethod
    def load(cls, home: Home) -> Model | None:
        """Give the model of this phone; None when it has none. Raises StoreFailed."""
        content = read_private(home / FILE)
        if content is None:
            return None
        try:
            found = cls(**json.loads(content))
        except (ValueError, TypeError) as failure:
            raise errors.StoreFailed(f"{FILE} is damaged; set the model again") from failure
        if not all(isinstance(value, str) for value in asdict(found).values()):
            raise errors.StoreFailed(f"{FILE} is damaged; set the model again")
        return found

    def keep(self, home: Home) -> None:
        """Use it from now on."""
        home.create()
        write_private(home / FILE, json.dumps(asdict(self)).encode())

    @staticmethod
    def forget(home: Home) -> None:
        """Use none from now on."""
        with storing(home / FILE):
            (home / FILE).unlink(missing_ok=True)

    def check(self, *, plaintext: bool) -> None:
        """Refuse what can't be asked, or would carry words in the clear off this device. Raises BadRequest."""
        parts = urlsplit(self.url)
        try:
            port = parts.port or 443
        except ValueError:
            port = 0
        if parts.scheme not in ("http", "https") or not parts.hostname or not port or parts.username or parts.query:
            raise errors.BadRequest("the URL is like https://HOST/v1", metadata={"field": "url"})
        if parts.scheme == "http" and not may_be_plaintext(Address(parts.hostname, port), allowed=plaintext):
            raise errors.BadRequest("off this device it has to be https", metadata={"field": "url"})
        if not self.name.strip():
            raise errors.BadRequest("which model?", metadata={"field": "model"})

    def ask(self, text: str) -> str:
        """Have it answer. Blocking. Raises ModelFailed, whose detail quotes nothing that came or went."""
        body = {
            "model": self.name,
            "messages": [{"role": "system", "content": _INSTRUCTIONS}, {"role": "user", "content": text}],
            "stream": False,
        }
        headers = {"Content-Type": "application/json"} | self._authorization()
        request = urllib.request.Request(  # noqa: S310 -- `check` looked at the scheme
            f"{self.url.rstrip('/')}/chat/completions", data=json.dumps(body).encode(), headers=headers
        )
        try:
            with self._opener().open(request, timeout=ANSWER_SECONDS) as answer:
                content = answer.read(ANSWER_BYTES + 1)
        except urllib.error.HTTPError as failure:
            failure.close()
            raise errors.ModelFailed(f"it answered with status {failure.code}") from None
        except (OSError, HTTPException, ValueError) as failure:
            raise errors.ModelFailed(_kind(failure)) from None
        return _text_of(content)

    def _opener(self) -> urllib.request.OpenerDirector:
        """Give the way to it. A proxy of the environment is for the network, and must not get what goes to this device."""
        host = urlsplit(self.url).hostname or ""
        proxies = [urllib.request.ProxyHandler({})] if Address(host, 0).is_loopback else []
        return urllib.request.build_opener(_NoRedirect, *proxies)

    def _authorization(self) -> dict[str, str]:
        if not self.key_file:
            return {}
        try:
            with open(self.key_file, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
                mode = os.fstat(file.fileno()).st_mode
                if not stat.S_ISREG(mode) or mode & 0o077:
                    raise errors.ModelFailed("its key file may be read by others: chmod 600")
                key = file.read(KEY_BYTES).decode("ascii").strip()
        except (OSError, ValueError):
            raise errors.ModelFailed("its key file can't be read") from None
        if not key.isprintable() or not key:
            raise errors.ModelFailed("its key file has no key")
        return {"Authorization": f"Bearer {key}"}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow nothing: the key is for one address."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _kind(failure: Exception) -> str:
    reason = failure.reason if isinstance(failure, urllib.error.URLError) else failure
    if isinstance(reason, TimeoutError):
        return "it took too long"
    return "it can't be reached" if isinstance(reason, OSError) else "it does not speak HTTP"


def _text_of(content: bytes) -> str:
    """Give the words of an answer. Raises ModelFailed for one without."""
    if len(content) > ANSWER_BYTES:
        raise errors.ModelFailed("its answer is too long")
    try:
        text = json.loads(content)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise errors.ModelFailed("its answer can't be read") from None
    if not isinstance(text, str) or not text.strip():
        raise errors.ModelFailed("its answer is empty")
    return text.encode("utf-8", "replace").decode().strip()
