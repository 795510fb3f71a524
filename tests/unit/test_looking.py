"""What is said of a folder when it is approved: whether it holds the host's own code, or sockets."""

from __future__ import annotations

import socket
from pathlib import Path

from dispatch_host.scope.looking import sockets_in, warnings_of


def test_a_plain_folder_is_nothing_to_warn_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    assert list(warnings_of(tmp_path, writable=True, code=[])) == []


def test_a_folder_for_changing_that_holds_the_code_is_warned_of(tmp_path: Path) -> None:
    for code in (tmp_path / "package", tmp_path, tmp_path.parent):
        assert len(list(warnings_of(tmp_path, writable=True, code=[code]))) == 1
        assert list(warnings_of(tmp_path, writable=False, code=[code])) == []


def test_sockets_are_named_and_links_are_not_followed(tmp_path: Path) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    (folder / "run").mkdir(parents=True)
    other.mkdir()
    (folder / "link").symlink_to(other)
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as elsewhere:
        one.bind(str(folder / "run" / "docker.sock"))
        elsewhere.bind(str(other / "s"))

        assert sockets_in(folder) == [folder / "run" / "docker.sock"]
        assert "run/docker.sock" in next(warnings_of(folder, writable=False, code=[]))
        assert sockets_in(folder, most=1) == []
