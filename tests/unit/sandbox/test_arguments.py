"""The arguments of bubblewrap and the kernel's filter, decided from what they are given; and what the probe makes of a system."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from dispatch_host.sandbox import seccomp
from dispatch_host.sandbox.arguments import Bound, View, arguments, can_be_bound
from dispatch_host.sandbox.probe import probe
from dispatch_host.sandbox.program import Limits, Program

HOME = Path("/home/ann")
CODE = HOME / "code"
VIEW = View(
    bound=[Bound(CODE / "x", 9, False), Bound(CODE, 8, True)],
    hidden=[CODE / "keys"],
    home=HOME,
    there=frozenset({"/usr", "/etc/passwd", "/etc/resolv.conf"}),
)
PROGRAM = Program(("pytest", "-q", "--flag"), CODE)


def written(*, network: bool = False, view: View = VIEW) -> list[str]:
    return arguments(view, PROGRAM, network=network, limits=Limits(scratch_bytes=1234))


def test_everything_is_its_own_and_nothing_is_left_to_it() -> None:
    words = written()

    for word in ("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"):
        assert word in words
    assert words[words.index("--cap-drop") + 1] == "ALL"
    assert "--share-net" not in words
    assert words[-4:] == ["--", *PROGRAM.argv]


def test_the_network_comes_with_the_names_of_hosts() -> None:
    assert "--share-net" in written(network=True)
    assert "/etc/resolv.conf" in written(network=True)
    assert "/etc/resolv.conf" not in written()


def test_folders_are_bound_by_descriptor_the_outer_first_and_after_what_is_its_own() -> None:
    words = written()

    outer, inner = words.index("--bind-fd"), words.index("--ro-bind-fd")
    assert words[outer : outer + 3] == ["--bind-fd", "8", str(CODE)]
    assert words[inner : inner + 3] == ["--ro-bind-fd", "9", str(CODE / "x")]
    assert words.index(str(HOME)) < outer < inner < words.index(str(CODE / "keys"))
    assert "--bind" not in words  # nothing that a person's folder could redirect is bound by its path
    assert words.index("--remount-ro", words.index(str(CODE / "keys")) + 2) > 0


def test_nothing_of_the_kernel_is_there_to_be_written() -> None:
    """Also where root starts it, who owns /proc/sys and needs no capability to write there."""
    words = written()
    browser = arguments(VIEW, PROGRAM, network=False, limits=Limits(), nested=True)

    at = words.index("/proc")
    assert words[at - 1 : at + 3] == ["--proc", "/proc", "--remount-ro", "/proc"]
    for name in ("sys", "sysrq-trigger", "irq", "bus", "fs"):
        at = browser.index(f"/proc/{name}")
        assert browser[at - 1 : at + 2] == ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
        assert browser.index("--proc") < at


def test_every_place_of_its_own_has_a_size() -> None:
    words = written()

    for at, word in enumerate(words):
        if word == "--tmpfs":
            assert words[at - 4] == "--size", words[at + 1]


def test_only_what_is_there_is_bound() -> None:
    words = written()

    assert "/usr" in words
    assert "/etc/passwd" in words
    assert "/nix/store" not in words


@pytest.mark.parametrize(
    ("path", "can"),
    [
        *((path, False) for path in ("/", "/proc", "/proc/1", "/dev", "/dev/shm", "/sys", "/run", "/run/user/1000")),  # noqa: S108
        *((path, True) for path in ("/home/ann", "/tmp/x", "/runs", "/mnt/disk", "/var/lib/x")),  # noqa: S108
    ],
)
def test_folders_that_are_never_given(path: str, *, can: bool) -> None:
    assert can_be_bound(Path(path)) is can


def decided(rules: bytes, *, architecture: int, number: int, arguments: Sequence[int] = ()) -> int:
    """Run a filter as the kernel does."""
    data = struct.pack("<IIQ", number, architecture, 0) + struct.pack("<6Q", *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("<HBBI", rules))
    at = held = 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        match code:
            case 0x20:
                (held,) = struct.unpack_from("<I", data, value)
            case 0x15:
                at += yes if held == value else no
            case 0x35:
                at += yes if held >= value else no
            case 0x45:
                at += yes if held & value else no
            case 0x06:
                return int(value)


BOTH = pytest.mark.parametrize(
    ("machine", "architecture", "column"), [("x86_64", 0xC000003E, 0), ("aarch64", 0xC00000B7, 1)]
)
HIGH = 1 << 40  # the kernel takes 32 bits of these arguments: what is above them is no way past


def verdicts(machine: str, architecture: int, *, sockets: bool = False) -> Callable[..., int]:
    rules = seccomp.rules(machine, sockets=sockets)
    assert rules is not None
    return partial(decided, rules, architecture=architecture)


@BOTH
def test_the_filter_refuses_what_is_listed_and_nothing_else(machine: str, architecture: int, column: int) -> None:
    verdict = verdicts(machine, architecture)
    refused = {numbers[column] for numbers in seccomp.REFUSED.values()}
    ioctl = (16, 29)[column]
    by_family = {(41, 198)[column], (53, 199)[column]}

    for number in set(range(600)) - by_family:
        expected = seccomp.EPERM if number in refused else seccomp.ENOSYS if number == 437 else seccomp.ALLOW
        assert verdict(number=number) == expected, number
    for request in seccomp.TYPED.values():
        assert verdict(number=ioctl, arguments=[0, request]) == seccomp.EPERM
        assert verdict(number=ioctl, arguments=[0, request | HIGH]) == seccomp.EPERM
    other = decided(seccomp.rules(machine, sockets=True) or b"", architecture=0x40000003, number=0)
    assert other == seccomp.ENOSYS
    if machine == "x86_64":
        assert verdict(number=0x40000000) == seccomp.ENOSYS


@BOTH
def test_the_filter_lets_nothing_be_made_setuid(machine: str, architecture: int, column: int) -> None:
    verdict = verdicts(machine, architecture)

    for *numbers, at in seccomp.MODES.values():
        for mode in (0o4755, 0o2755, 0o6000, 0o4755 | HIGH):
            if numbers[column]:
                assert verdict(number=numbers[column], arguments=[*[0] * at, mode]) == seccomp.EPERM
        assert verdict(number=numbers[column], arguments=[*[0] * at, 0o1777]) == seccomp.ALLOW
    for *numbers, at in seccomp.OPENS.values():
        for makes in (0o101, 0o20200002):
            if numbers[column]:
                assert verdict(number=numbers[column], arguments=[*[0] * at, makes, 0o4755]) == seccomp.EPERM
            assert verdict(number=numbers[column], arguments=[*[0] * at, makes, 0o644]) == seccomp.ALLOW
        # What makes nothing has no mode: there is whatever the register had.
        assert verdict(number=numbers[column], arguments=[*[0] * at, 0o2, 0o4755]) == seccomp.ALLOW


@BOTH
def test_the_filter_allows_few_kinds_of_sockets(machine: str, architecture: int, column: int) -> None:
    socket, pair = (41, 198)[column], (53, 199)[column]
    usual = {2, 10, 16}

    for sockets, allowed in ((False, usual), (True, {1, *usual})):
        verdict = verdicts(machine, architecture, sockets=sockets)
        for family in range(50):
            expected = seccomp.ALLOW if family in allowed else seccomp.EAFNOSUPPORT
            assert verdict(number=socket, arguments=[family]) == expected, family
            assert (verdict(number=pair, arguments=[family]) == seccomp.ALLOW) is (family == 1)
        assert verdict(number=socket, arguments=[40 | HIGH]) == seccomp.EAFNOSUPPORT


def test_an_unknown_architecture_has_no_filter() -> None:
    assert seccomp.rules("riscv64", sockets=True) is None


async def test_a_system_without_bubblewrap_says_so(tmp_path: Path) -> None:
    found = await probe(home=HOME, path=str(tmp_path))

    assert found.programs is None
    assert found.why == "bubblewrap is not installed."
    assert "bubblewrap" in found.advice


@pytest.mark.parametrize(
    ("says", "means"),
    [
        ("bwrap: No permissions to creating new namespace, likely because ...", "user namespaces"),
        ("bwrap: Unknown option --bind-fd", "too old"),
        ("bwrap: something else", "something else"),
    ],
)
async def test_a_bubblewrap_that_can_t_says_what_is_missing(tmp_path: Path, says: str, means: str) -> None:
    program = tmp_path / "bwrap"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    program.chmod(0o755)

    found = await probe(home=HOME, path=str(tmp_path))

    assert found.programs is None
    assert means in found.why


async def test_other_systems_have_no_sandbox_yet() -> None:
    assert (await probe(home=HOME, platform="darwin")).programs is None
