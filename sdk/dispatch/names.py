"""What a device and a service may be called. People decide by these names, so a name can't play tricks on them.

Called by the pairing service at sign-in and by both ends of a ceremony. docs/encryption.md "Names".
"""

from __future__ import annotations

import unicodedata

LONGEST_DEVICE_NAME = 64
LONGEST_SERVICE_NAME = 253

# Control characters, lone surrogates, and the two separators that start a new line.
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Everything that changes the direction of what follows it.
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class NameInvalid(ValueError):
    """A name breaks the rules. The message says which rule, never the name."""


def device_name(text: str) -> str:
    """Tidy a name that a person typed (NFC, no space around it) and check it. Raises NameInvalid."""
    return _check(unicodedata.normalize("NFC", text).strip(), LONGEST_DEVICE_NAME)


def peer_name(text: str) -> str:
    """Check a name that a peer sent: it has to be tidy already. Raises NameInvalid."""
    if text != unicodedata.normalize("NFC", text) or text != text.strip():
        raise NameInvalid("the name is not in its normal form")
    return _check(text, LONGEST_DEVICE_NAME)


def service_name(text: str) -> str:
    """Check what a pairing service calls itself, by the same rules. Raises NameInvalid."""
    if text != unicodedata.normalize("NFC", text) or text != text.strip():
        raise NameInvalid("the service's name is not in its normal form")
    return _check(text, LONGEST_SERVICE_NAME)


def _check(text: str, longest: int) -> str:
    if not text:
        raise NameInvalid("the name is empty")
    if len(text) > longest:
        raise NameInvalid(f"the name is longer than {longest} characters")
    if any(unicodedata.category(sign) in _FORBIDDEN_CATEGORIES or sign in _BIDI_CONTROLS for sign in text):
        raise NameInvalid("the name has control or direction characters")
    return text
