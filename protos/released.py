"""The contract as it was last released, and whether today's is one that devices of that release still understand.

`make contract` checks (buf lint, then buf breaking); `make release-contract` writes the released contract anew, which is
done when a version is released and at no other time. The released contract is a FileDescriptorSet as JSON, so that a change
of it can be read.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stubs import PROTOS, TOOLS, install_node_tools

RELEASED = PROTOS / "released" / "contract.json"
# What devices and services of different versions say to each other. The host's own affairs, and what relays say among
# themselves, have both ends from one release.
PUBLIC = ("error", "pairing", "relay", "thread")


_PATHS = [word for name in PUBLIC for word in ("--path", f"dispatch/api/{name}")]


def buf(protos: Path, *words: str | Path) -> int:
    """Run buf in a contract's folder and give its exit code; it says what is wrong by itself."""
    command = [TOOLS / "node_modules" / ".bin" / "buf", *words]
    return subprocess.run([str(word) for word in command], cwd=protos, check=False).returncode


def broken(protos: Path, *, against: Path = RELEASED) -> bool:
    """Tell whether a contract breaks the released one. What breaks it was written to standard output."""
    return buf(protos, "breaking", ".", "--against", against, *_PATHS) != 0


def write(protos: Path, released: Path) -> None:
    """Write a contract as the released one."""
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "contract.json"
        if buf(protos, "build", ".", "-o", built, "--as-file-descriptor-set", "--exclude-source-info", *_PATHS) != 0:
            sys.exit("the contract could not be built, see above")
        contract = json.loads(built.read_text("utf-8"))
    released.parent.mkdir(exist_ok=True)
    released.write_text(json.dumps(contract, indent=1, ensure_ascii=False) + "\n", "utf-8")


def main(arguments: Sequence[str]) -> None:
    """Check the contract, or with "write" take it as released."""
    install_node_tools()
    if list(arguments) == ["write"]:
        write(PROTOS, RELEASED)
        return print(f"{RELEASED.relative_to(PROTOS.parent)} is the contract of today")
    if buf(PROTOS, "lint", ".") != 0:
        sys.exit("the contract is not as it should be, see above")
    if broken(PROTOS):
        sys.exit("devices of the last release would not understand this contract, see above")
    return print("the contract is clean, and devices of the last release understand it")


if __name__ == "__main__":
    main(sys.argv[1:])
