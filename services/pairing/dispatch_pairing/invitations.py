"""Invitation codes: what an operator gives out so that somebody can make one account. Pure: chance is an argument.

100 random bits, written so that they survive being read out and typed: no letter looks like a digit. Only a hash is kept.
"""

from __future__ import annotations

import hashlib

from dispatch.ids import Rng

_SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 20
_GROUP = 5
_SAME = str.maketrans({"O": "0", "I": "1", "L": "1"})


def make(rng: Rng) -> str:
    """Give a new code: ABCDE-FGH12-JKMNP-34567."""
    signs = "".join(_SIGNS[byte % len(_SIGNS)] for byte in rng(_LENGTH))
    return "-".join(signs[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP))


def code_hash(code: str) -> bytes:
    """Give what is kept of a code, however it was typed."""
    signs = "".join(sign for sign in code.upper().translate(_SAME) if sign in _SIGNS)
    return hashlib.sha256(b"dispatch/invitation/1" + signs.encode()).digest()
