"""What is generated from the contract is what the contract says, and the contract says what each field holds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

ROOT = Path(__file__).resolve().parents[1]
STUBS = Path("dispatch/api")
NESTED, FIELD, MESSAGE = 3, 2, 4  # field numbers of descriptor.proto, which the paths in source info are made of


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.py*") if path.suffix != ".pyc"}


def generate(out: Path) -> None:
    subprocess.run([sys.executable, ROOT / "protos" / "generate.py", out], check=True, capture_output=True, text=True)


def test_the_checked_in_stubs_are_what_the_protos_generate(tmp_path: Path) -> None:
    generate(tmp_path)

    fresh, kept = texts(tmp_path / STUBS), texts(ROOT / "sdk" / STUBS)

    assert fresh, "nothing was generated"
    assert sorted(fresh) == sorted(kept), "stubs are missing or left over: run `make gen`"
    stale = [name for name, text in fresh.items() if kept[name] != text]
    assert stale == [], "stubs are stale: run `make gen`"


def test_generating_again_removes_the_stubs_of_a_proto_that_is_gone(tmp_path: Path) -> None:
    left_over = tmp_path / STUBS / "gone" / "v1" / "gone_pb2.py"
    left_over.parent.mkdir(parents=True)
    left_over.touch()

    generate(tmp_path)

    assert not left_over.exists()


def fields_without_comment(file: FileDescriptorProto) -> Iterator[str]:
    """Name the fields that nothing is said about. The words of a oneof are said to be what their messages are."""
    said = {tuple(place.path) for place in file.source_code_info.location if place.leading_comments.strip()}

    def walk(message: DescriptorProto, path: tuple[int, ...], name: str) -> Iterator[str]:
        for index, field in enumerate(message.field):
            word = field.HasField("oneof_index") and not field.proto3_optional
            if not word and (*path, FIELD, index) not in said:
                yield f"{name}.{field.name}"
        for index, nested in enumerate(message.nested_type):
            if nested.options.map_entry:
                continue  # made by the compiler for a map, whose field has the words
            yield from walk(nested, (*path, NESTED, index), f"{name}.{nested.name}")

    for index, message in enumerate(file.message_type):
        yield from walk(message, (MESSAGE, index), f"{file.package}.{message.name}")


def described(protos: Path, out: Path) -> FileDescriptorSet:
    files = sorted(str(path.relative_to(protos)) for path in protos.rglob("*.proto"))
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}"]
    subprocess.run([*protoc, "--include_source_info", f"--descriptor_set_out={out}", *files], check=True)
    return FileDescriptorSet.FromString(out.read_bytes())


def test_every_field_of_the_contract_says_what_it_holds(tmp_path: Path) -> None:
    contract = described(ROOT / "protos", tmp_path / "contract")

    assert len(contract.file) >= 5
    assert [name for file in contract.file for name in fields_without_comment(file)] == []


def test_a_field_that_says_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "planted.proto").write_text(
        'syntax = "proto3"; package p;\n'
        "message M {\n"
        "  // Said.\n"
        "  int32 said = 1;\n"
        "  oneof word { int32 in_a_oneof = 2; }\n"
        "  int32 silent = 3;\n"
        "  message Inner { int32 deep = 1; }\n"
        "}\n"
    )

    (file,) = described(tmp_path, tmp_path / "out").file

    assert list(fields_without_comment(file)) == ["p.M.silent", "p.M.Inner.deep"]


def test_asking_for_stubs_of_an_unknown_language_lists_the_known_ones() -> None:
    asked = subprocess.run(
        [sys.executable, ROOT / "protos" / "stubs.py", "cobol"], check=False, capture_output=True, text=True
    )

    assert asked.returncode != 0
    for language in ("typescript", "go", "java", "cpp", "ruby", "csharp", "kotlin", "objc", "php", "python"):
        assert language in asked.stderr
