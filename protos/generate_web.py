"""Generate the messages of the contract for the web phone, in TypeScript. Called by `make gen-web` and its test for stale ones.

protoc is the one of `generate.py`; the plugin is protobuf-es, as clients/web_phone/package-lock.json pins it. The output is
checked in, so that nobody who builds the web phone needs Python.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from generate import PROTOS, contract
from google.rpc import error_details_pb2
from grpc_tools import __file__ as tools
from grpc_tools import protoc

PHONE = PROTOS.parent / "clients" / "web_phone"
DETAILS = "google/rpc/error_details.proto"  # what a refused call carries
INSTALLED = (Path(error_details_pb2.__file__).parents[2], Path(tools).parent / "_proto")
PLUGIN = PHONE / "node_modules" / ".bin" / "protoc-gen-es"


def generate(out: Path) -> None:
    """Write the messages below `out`, in place of those that were there."""
    for package in ("dispatch", "google"):
        shutil.rmtree(out / package, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    options = [f"--plugin=protoc-gen-es={PLUGIN}", f"--es_out={out}", "--es_opt=target=ts,import_extension=js"]
    wanted = [name for name in contract() if not name.startswith("dispatch/api/host/")]  # the host's own affairs
    if protoc.main(["protoc", f"-I{PROTOS}", *(f"-I{one}" for one in INSTALLED), *options, *wanted, DETAILS]) != 0:
        sys.exit("protoc could not generate the messages, see above")


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
