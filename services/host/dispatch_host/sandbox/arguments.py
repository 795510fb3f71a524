"""The arguments of bubblewrap, from what a program may see. Pure; the whole confinement can be read here.

Called by bubblewrap.py, which opens the folders. The order matters: a later mount covers an earlier one.
docs/permissions.md (the sandbox) says the same for people.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from dispatch_host.sandbox.program import Limits, Program

# What programs need of the system, each only if it is there; no /opt, /srv, /var: they hold what people put there.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
# Of /etc what a program reads to find libraries, names, certificates and fonts: nothing that anybody keeps secret there.
ETC = (
    *("alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies", "debian_version", "fonts"),
    *("gai.conf", "group", "host.conf", "hosts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias"),
    *("localtime", "magic", "mime.types", "networks", "nsswitch.conf", "os-release", "passwd", "pki/tls/certs"),
    *("pki/ca-trust", "protocols", "rpc", "services", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone"),
    *("java-11-openjdk", "java-17-openjdk", "java-21-openjdk", "perl", "python3", "xdg", "xml"),
)
RESOLVER = "/etc/resolv.conf"
# Never given to a program, whatever is approved: processes, devices, and the sockets of everything that runs here.
NEVER = ("/proc", "/dev", "/sys", "/run")
# Of /proc what is the kernel's and takes writes, for a program that must write about itself: there the rest stays writable.
_KERNELS = ("acpi", "bus", "driver", "fs", "irq", "mtrr", "scsi", "sys", "sysrq-trigger", "sysvipc", "tty")
_SHARED_MEMORY, _TMP = "/dev/shm", "/tmp"  # noqa: S108 -- the program's own
_SHARED_MEMORY_BYTES = 64 * 1024**2
_EMPTY_BYTES = 4096
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class Bound:
    """A folder that the program sees at its own path: what the descriptor is open on, whatever is at the path by then."""

    path: Path
    descriptor: int
    writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a program sees besides the system."""

    bound: Sequence[Bound] = ()
    hidden: Sequence[Path] = ()  # folders inside a bound one that are empty to it
    covered: Sequence[Path] = ()  # files inside a bound one that it can't open
    home: Path  # what `~` is to it
    there: frozenset[str]  # which of SYSTEM, ETC and RESOLVER this computer has


def can_be_bound(path: PurePath) -> bool:
    """Tell whether an approved folder may be given to programs: not if it is in NEVER, or has that in it."""
    never = [PurePath(name) for name in NEVER]
    return not any(path.is_relative_to(one) or one.is_relative_to(path) for one in never)


def wanted() -> tuple[str, ...]:
    """List the paths of the system that the view asks for."""
    return (*SYSTEM, *(f"/etc/{name}" for name in ETC), RESOLVER)


def environment(home: Path) -> dict[str, str]:
    """Give the whole environment of a program. Nothing of the host's is in it."""
    return {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": _PATH,
        "SHELL": "/bin/sh",
        "TERM": "dumb",
        "GIT_TERMINAL_PROMPT": "0",  # there is nobody to ask
        "PYTHONUNBUFFERED": "1",  # output is read while it is written
    }


def places(view: View, limits: Limits) -> dict[str, int]:
    """List where a program keeps files in memory, each with its size in bytes."""
    return {_SHARED_MEMORY: _SHARED_MEMORY_BYTES, _TMP: limits.scratch_bytes, str(view.home): limits.scratch_bytes}


def arguments(
    view: View,
    program: Program,
    *,
    network: bool,
    limits: Limits,
    variables: int | None = None,
    nested: bool = False,
) -> list[str]:
    """Write bubblewrap's arguments, without its own name and without the descriptors that the keeper adds.

    `variables` is a descriptor from which bubblewrap reads those of the program's environment that nobody else may.
    `nested` is for a program that makes a sandbox of its own in there, as a browser does.
    """
    return [
        *_namespaces(network=network, nested=nested),
        *_system(view, network=network),
        *_processes(nested=nested),
        *_private(view, limits),
        *_folders(view),
        *("--remount-ro", "/"),
        *_environment(environment(view.home)),
        *([] if variables is None else ["--args", str(variables)]),
        *("--chdir", str(program.folder)),
        "--",
        *program.argv,
    ]


def _namespaces(*, network: bool, nested: bool) -> list[str]:
    """Everything of its own, no right over it, and no way to make more of it, unless it is `nested`.

    --unshare-user by its name: --unshare-all alone goes on without one, and root would keep what root may do.
    """
    return [
        "--unshare-all",
        "--unshare-user",
        *(["--share-net"] if network else []),
        # As nobody in particular: browsers make no sandbox for root.
        *(["--uid", "1000", "--gid", "1000"] if nested else ["--disable-userns"]),
        *("--cap-drop", "ALL"),
        *("--hostname", "sandbox"),
        "--die-with-parent",
        "--new-session",
    ]


def _system(view: View, *, network: bool) -> Iterable[str]:
    for path in wanted():
        if path in view.there and (network or path != RESOLVER):
            yield from ("--ro-bind", path, path)


def _processes(*, nested: bool) -> Iterable[str]:
    """Its own processes, and nothing of the kernel to write to.

    bubblewrap covers /proc/sys only where it may not be written by its capabilities; but who runs it as root owns the files
    there, and writes to them without any: the kernel would start what /proc/sys/kernel/core_pattern says, outside.
    """
    yield from ("--proc", "/proc")
    if not nested:
        yield from ("--remount-ro", "/proc")
        return
    # A browser writes to /proc/self/uid_map.
    for name in _KERNELS:
        yield from ("--ro-bind-try", f"/proc/{name}", f"/proc/{name}")


def _private(view: View, limits: Limits) -> Iterable[str]:
    """Its own devices, /tmp and home: in memory, of a size, gone with it."""
    yield from ("--dev", "/dev")
    yield from ("--size", str(_SHARED_MEMORY_BYTES), "--perms", "1777", "--tmpfs", _SHARED_MEMORY)
    yield from ("--remount-ro", "/dev")
    yield from ("--size", str(limits.scratch_bytes), "--perms", "1777", "--tmpfs", _TMP)
    yield from ("--size", str(limits.scratch_bytes), "--perms", "0700", "--tmpfs", str(view.home))


def _folders(view: View) -> Iterable[str]:
    """The outer ones first, so that what is nested keeps its own right, and what is hidden is hidden last."""
    for bound in sorted(view.bound, key=lambda one: len(one.path.parts)):
        yield from ("--bind-fd" if bound.writable else "--ro-bind-fd", str(bound.descriptor), str(bound.path))
    for path in view.hidden:
        yield from ("--size", str(_EMPTY_BYTES), "--perms", "0500", "--tmpfs", str(path), "--remount-ro", str(path))
    for path in view.covered:
        yield from ("--ro-bind", os.devnull, str(path))  # a device, on a mount that has none: it can't be opened


def _environment(variables: Mapping[str, str]) -> Iterable[str]:
    for name, value in variables.items():
        yield from ("--setenv", name, value)
