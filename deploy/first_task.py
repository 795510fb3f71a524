"""The last step of `make up`: pair the phone's container with the host's, unless they are, and have a first task done.

Both sides show a code, and a person compares them: that is what pairing rests on (docs/pairing.md). Here both sides are one
person's own containers, so this script reads both codes, shows them, compares them and says yes. With a real phone nobody but the
person may do that. Needs only Python and the words of `docker compose` that started everything, which are its command line.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.support.lateness import never_ran

TASK = "Which files are largest?"
PICTURE = "/shared/qr.png"
LONGEST_SECONDS = 180.0
"""How long pairing, or a task, may take before it is given up."""
NOT_YET = {"HOST_NEVER_CONNECTED", "HOST_UNREACHABLE"}
"""How a relay refuses for a host that runs and has not come through to it yet."""

Event = dict[str, Any]


class NotDoneError(Exception):
    """Something did not go as it must; the text says what."""


class Side:
    """A program in a container: its events one by one, and what it is told."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self._name = name
        self._process = process

    def until(self, name: str) -> Event:
        """Give the next event of that name. Raises NotDoneError when the program ends without one."""
        last = self.last(until=name)
        if last.get("event") != name:
            raise NotDoneError(self.instead(last, name))
        return last

    def instead(self, last: Event, name: str) -> str:
        """Say what came instead of an event of that name."""
        return f"the {self._name} said {last.get('text') or last.get('reason') or last or 'nothing'}, not {name}"

    def last(self, *, until: str) -> Event:
        """Give the next event of that name, or the program's last; empty when it said nothing more."""
        last: Event = {}
        for line in self._process.stdout or ():
            last = json.loads(line)
            if last.get("event") == until:
                break
        return last

    def say(self, word: str) -> None:
        """Type a line."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{word}\n")
            self._process.stdin.flush()


@contextmanager
def running(name: str, words: Sequence[str]) -> Iterator[Side]:
    """Run a program until the block ends. One that takes too long is ended."""
    with subprocess.Popen([*words, "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        too_long = threading.Timer(LONGEST_SECONDS, process.kill)
        too_long.start()
        try:
            yield Side(name, process)
        except BaseException:
            process.kill()
            raise
        finally:
            too_long.cancel()


def status(compose: Sequence[str]) -> Event:
    """Give how the host is."""
    with running("host", [*compose, "exec", "-T", "host", "dispatch-host", "status"]) as host:
        return host.until("status")


def pair(compose: Sequence[str]) -> None:
    """Pair both by the picture in the folder that they share. Raises NotDoneError."""
    showing = [*compose, "exec", "-T", "host", "dispatch-host", "pair", "--qr-png", PICTURE, "--timeout", "120"]
    with running("host", showing) as host:
        host.until("qr")
        with running("phone", [*compose, "run", "--rm", "-T", "phone", "pair", "--qr", PICTURE]) as phone:
            codes = {side: side.until("code")["code"] for side in (host, phone)}
            tell(f"  the host shows   {codes[host]}")
            tell(f"  the phone shows  {codes[phone]}")
            agreed = codes[host] == codes[phone]
            for side in (host, phone):
                side.say("yes" if agreed else "no")
            if not agreed:
                raise NotDoneError("the codes differ: somebody is between the two, and nothing was paired")
            for side in (host, phone):
                side.until("paired")
    tell("  The codes are the same, so both say yes. With a real phone that is for you to do: compare, then tap.")


def send(compose: Sequence[str]) -> None:
    """Have a task done and show what came back. Raises NotDoneError."""
    tell(f"Sending a first task: {TASK}")
    give_up = time.monotonic() + LONGEST_SECONDS
    while True:
        with running("phone", [*compose, "run", "--rm", "-T", "phone", "send", TASK]) as phone:
            last = phone.last(until="done")
        if last.get("event") == "done":
            break
        not_there_yet = last.get("event") == "refused" and last.get("reason") in NOT_YET
        if not (never_ran(last) or not_there_yet) or time.monotonic() > give_up:
            raise NotDoneError(phone.instead(last, "done"))
    tell("".join(f"  {line}\n" for line in str(last["text"]).splitlines()))


def advise(compose: Sequence[str]) -> None:
    """Say what to do next."""
    typed = " ".join(compose)
    found = subprocess.run([*compose, "port", "prometheus", "9090"], capture_output=True, text=True, check=False)
    tell("Next:")
    tell(f'  another task     {typed} run --rm phone send "Search the files for rent"')
    tell("  your own files   DISPATCH_FILES=~/Documents make up")
    if found.returncode == 0:
        tell(f"  what happens     http://{found.stdout.strip()} (Prometheus)")
    tell("  the web phone    make up WEB_TOO=1, then https://localhost:7306; or make phone, for a real one")
    tell("  the end          make down; VOLUMES=1 forgets everything")


def tell(text: str) -> None:
    """Say something to the person."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(compose: Sequence[str]) -> int:
    """Do it; gives the exit code."""
    try:
        if status(compose)["pairings"]:
            tell("Everything runs. The phone is paired with the host.")
        else:
            tell("Everything runs. Pairing the phone with the host:")
            pair(compose)
            send(compose)
        advise(compose)
    except (NotDoneError, OSError, ValueError, KeyError) as failure:
        sys.stderr.write(f"make up: {failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
