"""The model that a phone may have: where it is. Called by `here` and `model_cli`; `model_question` asks it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from dispatch import errors
from dispatch.address import Address, may_be_plaintext
from dispatch.device.home import Home, read_private, write_private
from dispatch.storing import storing

FILE = "model.json"
ANSWER_SECONDS = 30.0
"""For each of connecting and the next bytes of the answer; the whole takes twice that at most, by whoever waits."""


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
