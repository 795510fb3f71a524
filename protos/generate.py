"""Generate the Python stubs of the contract into a folder. Called by `make gen` and by the test for stale stubs.

The folder's old stubs are removed first, so that a proto that is gone takes its stubs along.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent
PLUGINS = Path(sys.executable).parent


def contract() -> list[str]:
    """List the contract's files, as the paths that protoc knows them by."""
    return sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / "dispatch").rglob("*.proto"))


def generate(out: Path) -> None:
    """Write messages, services and their types below `out`."""
    for old in (out / "dispatch" / "api").rglob("*_pb2*.py*"):
        if old.suffix in {".py", ".pyi"}:
            old.unlink()
    out.mkdir(parents=True, exist_ok=True)
    options = [f"--plugin=protoc-gen-{name}={PLUGINS / f'protoc-gen-{name}'}" for name in ("mypy", "mypy_grpc")]
    options += [f"--{name}_out={out}" for name in ("python", "grpc_python", "mypy", "mypy_grpc")]
    options += ["--mypy_opt=quiet", "--mypy_grpc_opt=quiet"]
    if protoc.main(["protoc", f"-I{PROTOS}", *options, *contract()]) != 0:
        sys.exit("protoc could not generate the stubs, see above")


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
