"""Names of accounts and devices as the service takes them; the rules are dispatch.names'. Pure."""

from __future__ import annotations

import unicodedata

from dispatch.errors import BadRequest
from dispatch.names import NameInvalid, device_name


def clean(name: str, *, field: str) -> str:
    """Give the name tidied, or raise BadRequest naming the field. The name itself is never repeated in the error."""
    try:
        return device_name(name)
    except NameInvalid as failure:
        raise BadRequest(str(failure), metadata={"field": field}) from failure


def fold(name: str) -> str:
    """Give the form by which two account names count as the same: "Anna" and "anna" are one account."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()
