"""One question to the phone's model, asked as OpenAI's chat completions are, and most others'. Called by `here`.

One request by the standard library: a library of providers would be twenty times this phone. The key is read from its file at each
use, and goes to the one address that the person named, never along a redirect. A module of its own, since few commands ask.
"""

from __future__ import annotations

import json
import os
import stat
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from dispatch import errors
from dispatch.address import Address

from mobile_sim.model import ANSWER_SECONDS, Model

ANSWER_BYTES = 256 * 1024
KEY_BYTES = 4096

_INSTRUCTIONS = (
    "You answer on a phone, in a few sentences, in the language of the question. You have no tools and see no files, and what the"
    " person asked before is not known to you. Say so where that is what the question needs."
)


def ask(model: Model, text: str) -> str:
    """Have it answer. Blocking. Raises ModelFailed, whose detail quotes nothing that came or went."""
    body = {
        "model": model.name,
        "messages": [{"role": "system", "content": _INSTRUCTIONS}, {"role": "user", "content": text}],
        "stream": False,
    }
    headers = {"Content-Type": "application/json"} | _authorization(model)
    request = urllib.request.Request(  # noqa: S310 -- `check` looked at the scheme
        f"{model.url.rstrip('/')}/chat/completions", data=json.dumps(body).encode(), headers=headers
    )
    try:
        with _opener(model).open(request, timeout=ANSWER_SECONDS) as answer:
            content = answer.read(ANSWER_BYTES + 1)
    except urllib.error.HTTPError as failure:
        failure.close()
        raise errors.ModelFailed(f"it answered with status {failure.code}") from None
    except (OSError, HTTPException, ValueError) as failure:
        raise errors.ModelFailed(_kind(failure)) from None
    return _text_of(content)


def _opener(model: Model) -> urllib.request.OpenerDirector:
    """Give the way to it. A proxy of the environment is for the network, and must not get what goes to this device."""
    host = urlsplit(model.url).hostname or ""
    proxies = [urllib.request.ProxyHandler({})] if Address(host, 0).is_loopback else []
    return urllib.request.build_opener(_NoRedirect, *proxies)


def _authorization(model: Model) -> dict[str, str]:
    if not model.key_file:
        return {}
    try:
        with open(model.key_file, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
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
