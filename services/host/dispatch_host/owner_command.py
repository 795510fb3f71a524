"""`dispatch-host devices`, `rename`, `revoke`, `history`: speaks to the pairing service as this host. Called by `cli`.

Needs neither the home's lock nor a running host: nothing of the host itself is touched.
"""

from __future__ import annotations

import os
from typing import Any

from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.cli import Console, Exit
from dispatch.device import owner
from dispatch.device.home import Home
from dispatch.device.key_store import key_store
from dispatch.device.keys import DeviceKey
from dispatch.device.owner_words import words_of
from dispatch.device.pairing_client import PairingClient
from dispatch.device.sign_in import SignIn, session_of
from dispatch.device.telling import Told
from dispatch.keyboard import answer


async def with_the_account(
    home: Home, console: Console, request: dict[str, Any], *, nothing: str, plaintext: bool
) -> Exit:
    """Carry out a request of `dispatch.device.owner`. Raises SignInRequired, NoNetwork and what the service says."""
    signed_in, store = SignIn.required(home), key_store(home, os.urandom)
    key, session = DeviceKey.load(store), session_of(store)
    if key is None or not session:
        raise errors.SignInRequired
    said = False

    def say(event: Told) -> None:
        nonlocal said
        said = True
        if event["event"] == "confirm" and not console.as_json:
            print(words_of(event, console.words), end="", file=console.out, flush=True)
        else:
            console.event(event, words_of(event, console.words))

    client = PairingClient(
        server=signed_in.server,
        identity=key.identity(DeviceKind.DEVICE_KIND_HOST),
        session=session,
        dialler=signed_in.dialler(plaintext=plaintext),
    )
    # A program that reads our objects is asked nothing.
    ask = bool(request.get("ask")) and not console.as_json
    async with client:
        code = await owner.do(client, {**request, "ask": ask}, say=say, hear=answer)
    if nothing and not said and not console.as_json:
        console.event({}, nothing)
    return code
