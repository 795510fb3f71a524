"""An approved folder full of baits, and a canary outside of it, which tells when it was read or changed."""

from __future__ import annotations

import os
import socket
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from dispatch_host.scope import Folder

Lay: TypeAlias = "Callable[[Ground, Path], object]"
CANARY = "canary-6e1f7d in plain sight"
HOST_KEY = "canary-host-key"


class NotHere(Exception):
    """What a tool needs is not on this computer."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where an escape is tried."""

    root: Path

    @property
    def approved(self) -> Path:
        return self.root / "user" / "approved"

    @property
    def outside(self) -> Path:
        return self.root / "user" / "outside"

    @property
    def host(self) -> Path:
        """The home of the host, which is kept out, though it lies in the approved folder."""
        return self.approved / ".dispatch"

    @property
    def records(self) -> Path:
        return self.root / "changes"

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    @property
    def other_inbox(self) -> Path:
        """What came with another thread."""
        return self.root / "other-inbox"

    @property
    def folders(self) -> list[Folder]:
        return [Folder(self.approved, writable=True)]

    @property
    def secret(self) -> Path:
        return self.outside / "secret.txt"

    def lay(self) -> None:
        """Lay out everything."""
        for folder in (self.approved / "deep", self.outside / "folder", self.host, self.inbox, self.other_inbox):
            folder.mkdir(parents=True)
        self.secret.write_text(CANARY)
        (self.outside / "folder" / "inner.txt").write_text(CANARY)
        (self.outside / "secret.csv").write_text(f"a,b\n{CANARY},1\n")
        (self.host / "device").write_text(f"{HOST_KEY} {CANARY}")
        (self.other_inbox / "secret.txt").write_text(CANARY)
        (self.approved / "plain.txt").write_text("plain words, nothing else\n")
        (self.approved / "deep" / "low.txt").write_text("low words\n")

    def watched(self) -> dict[str, tuple[int, int, bytes]]:
        """Give all that nobody may change: what is outside, and the host's own."""
        return {
            str(path): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for top in (self.outside, self.host, self.other_inbox)
            for path in (top, *sorted(top.rglob("*")))
        } | {str(path): (0, 0, b"") for path in sorted((self.root / "user").iterdir())}

    def leaks(self) -> list[str]:
        """List what holds the canary where anybody may read it: new files, what is kept of changes, what is in archives."""
        own = {
            (path.stat().st_dev, path.stat().st_ino) for path in self._files(self.outside, self.host, self.other_inbox)
        }
        found = []
        for path in self._files(self.approved, self.records, self.inbox):
            if path.is_relative_to(self.host) or (path.stat().st_dev, path.stat().st_ino) in own:
                continue
            if CANARY.encode() in path.read_bytes():
                found.append(str(path))
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    found += [name for name in archive.namelist() if CANARY.encode() in archive.read(name)]
        return found

    @staticmethod
    def _files(*tops: Path) -> Iterator[Path]:
        for top in tops:
            for path in top.rglob("*"):
                if not path.is_symlink() and path.is_file():
                    yield path


@dataclass(frozen=True, slots=True)
class Bait:
    """A path that looks as if it led to the canary, and what makes it so."""

    name: str
    path: str  # beneath the approved folder, or absolute; `{inbox}` is the folder of attachments
    is_the_file: bool = False
    """A second name of the canary itself, beneath the approved folder: only what opens by our scope can tell it."""

    def lay(self, ground: Ground) -> str:
        """Make it; give the path to try. Raises NotHere."""
        path = self.path.replace("{inbox}", str(ground.inbox))
        for made in (_LINKS, _SPECIALS):
            if self.name in made:
                made[self.name](ground, ground.approved / path)
        return path if path.startswith("/") else f"{ground.approved}/{path}"


def _link(target: str) -> Lay:
    return lambda ground, path: path.symlink_to(target.format(outside=ground.outside, host=ground.host))


def _folder_link(target: str) -> Lay:
    """Have the first folder of the bait's path be a link."""
    return lambda ground, _: (ground.approved / "linked").symlink_to(target.format(outside=ground.outside))


def _chain(ground: Ground, path: Path) -> None:
    (ground.approved / "one").symlink_to("two")
    (ground.approved / "two").symlink_to(ground.secret)
    path.symlink_to("one")


def _socket(ground: Ground, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(path.parent)  # its address is short
        try:
            listening.bind(path.name)
        finally:
            os.chdir(here)


def _device(_: Ground, path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # what never ends, as /dev/zero
    except PermissionError:
        raise NotHere("only root may make a device") from None


_LINKS: dict[str, Lay] = {
    "absolute link": _link("{outside}/secret.txt"),
    "relative link": _link("../outside/secret.txt"),
    "link to a table": _link("{outside}/secret.csv"),
    "link to a folder": _folder_link("{outside}/folder"),
    "link to the root": _folder_link("/"),
    "link to the host's keys": _link("{host}/device"),
    "chain of links": _chain,
    "link into proc": _link("/proc/self/root/etc/passwd"),
    "link to own memory": _link("/proc/self/environ"),
    "link to a device": _link("/dev/zero"),
    "link among the attachments": _link("{outside}/secret.txt"),
    "link to another thread's attachments": _link("../other-inbox/secret.txt"),
    "hard link": lambda ground, path: os.link(ground.secret, path),
    "hard link to the host's keys": lambda ground, path: os.link(ground.host / "device", path),
}
_SPECIALS: dict[str, Lay] = {
    "pipe": lambda ground, path: os.mkfifo(path),
    "socket": _socket,
    "device": _device,
}

BAITS = (
    Bait("absolute link", "bait.txt"),
    Bait("relative link", "bait.txt"),
    Bait("link to a table", "bait.csv"),
    Bait("link to a folder", "linked/inner.txt"),
    Bait("link to the root", "linked/etc/passwd"),
    Bait("link to the host's keys", "bait.txt"),
    Bait("chain of links", "bait.txt"),
    Bait("link into proc", "bait.txt"),
    Bait("link to own memory", "bait.txt"),
    Bait("link to a device", "bait.txt"),
    Bait("hard link", "bait.txt", is_the_file=True),
    Bait("hard link to the host's keys", "bait.txt", is_the_file=True),
    Bait("link among the attachments", "{inbox}/bait.txt"),
    Bait("link to another thread's attachments", "{inbox}/bait.txt"),
    Bait("out of the attachments", "{inbox}/../user/outside/secret.txt"),
    Bait("another thread's attachments", "{inbox}/../other-inbox/secret.txt"),
    Bait("pipe", "bait.txt"),
    Bait("socket", "bait.txt"),
    Bait("device", "bait.txt"),
    Bait("dots", "../outside/secret.txt"),
    Bait("dots from below", "deep/../../outside/secret.txt"),
    Bait("the host's keys", ".dispatch/device"),
    Bait("the host's keys in capitals", ".DISPATCH/device"),
    Bait("full-width dots", "．．/outside/secret.txt"),
    Bait("decomposed name", "outsi\u0064e\u0301/secret.txt"),
    Bait("right to left", "\u202e../outside/secret.txt"),
    Bait("encoded", "%2e%2e/outside/secret.txt"),
    Bait("backslashes", "..\\outside\\secret.txt"),
    Bait("very long name", f"{'n' * 300}.txt"),
    Bait("very long path", f"{'deep/' * 1000}../../outside/secret.txt"),
    Bait("proc", "/proc/self/root/etc/passwd"),
    Bait("proc of the working folder", "/proc/self/cwd/etc/passwd"),
)


def archive(path: Path) -> None:
    """Write an archive whose entries lead out, each in its own way."""
    link = zipfile.ZipInfo("link.txt")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "w") as made:
        for name in (
            "../pwned.txt",
            "../../outside/secret.txt",
            f"{path.parent.parent}/pwned.txt",
            "deep/../../outside/folder/inner.txt",
            "..\\pwned.txt",
            "C:\\pwned.txt",
            "linked/pwned.txt",
            f"{'n' * 300}/pwned.txt",
            ".dispatch/device",
            "good.txt",
        ):
            made.writestr(name, "pwned")
        made.writestr(link, "../outside/secret.txt")
        made.writestr("link.txt/pwned.txt", "pwned")
