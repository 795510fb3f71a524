"""Generate stubs of the contract for another language into out/stubs/LANG. Called by `make stubs LANG=…`.

Messages come from the protoc of requirements/stubs.txt; services from the language's own gRPC plugin when this machine
has it, and it is said when it has not. Nothing here talks to a remote generator.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROTOS = Path(__file__).resolve().parent
TOOLS = PROTOS / "tools"
OUT = PROTOS.parent / "out" / "stubs"
PREFIX = Path(sys.prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How protoc is told to write a language."""

    messages: str  # what `--…_out` is called
    option: str = ""
    needs: str = ""  # a plugin without which there is nothing at all
    services: str = ""  # the gRPC plugin, optional
    services_option: str = ""
    package: str = ""  # what brings the plugin


# Go wants an import path for each file; the contract names none, because it would be right for one repository only.
GO = "paths=source_relative," + ",".join(
    f"M{file.relative_to(PROTOS)}=dispatch/api/{file.parent.parent.name}/v1;{file.parent.parent.name}v1"
    for file in sorted((PROTOS / "dispatch").rglob("*.proto"))
)
GRPC = "Debian's protobuf-compiler-grpc"
UNPACKAGED = "the plugin that comes with gRPC itself (Debian has no package of it)"
LANGUAGES = {
    "cpp": Language(messages="cpp", services="grpc_cpp_plugin", package=GRPC),
    "csharp": Language(
        messages="csharp", option="base_namespace=", services="grpc_csharp_plugin",
        services_option="base_namespace=", package=UNPACKAGED,
    ),
    "go": Language(
        messages="go", option=GO, needs="protoc-gen-go", services="protoc-gen-go-grpc", services_option=GO,
        package="Debian's protoc-gen-go and protoc-gen-go-grpc",
    ),
    "java": Language(
        messages="java", services="grpc_java_plugin", package="Debian's protobuf-compiler-grpc-java-plugin"
    ),
    "kotlin": Language(
        messages="java,kotlin", services="grpc_java_plugin", package="Debian's protobuf-compiler-grpc-java-plugin"
    ),
    "objc": Language(messages="objc", services="grpc_objective_c_plugin", package=UNPACKAGED),
    "php": Language(messages="php", services="grpc_php_plugin", package=GRPC),
    "python": Language(messages=""),
    "ruby": Language(messages="ruby", services="grpc_ruby_plugin", package=GRPC),
    # Nothing on Debian and no package registry has these plugins: they come with their languages, and only write where they are.
    "dart": Language(
        messages="dart", option="grpc", needs="protoc-gen-dart", package="it: dart pub global activate protoc_plugin"
    ),
    "swift": Language(
        messages="swift", option="Visibility=Public", needs="protoc-gen-swift", services="protoc-gen-grpc-swift-2",
        services_option="Visibility=Public,Server=false", package="them: brew install swift-protobuf protoc-gen-grpc-swift",
    ),
    "typescript": Language(messages="es", option="target=ts,import_extension=js", needs="protoc-gen-es", package="npm"),
}  # fmt: skip


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Run a program and let it speak; end with its failure."""
    ended = subprocess.run([str(word) for word in command], check=False, cwd=cwd)
    if ended.returncode != 0:
        sys.exit(f"{Path(command[0]).name} failed, see above")


def install_node_tools() -> None:
    """Install what protos/tools/package-lock.json pins, once. (`npm ci` wants the binaries of other platforms, too.)"""
    if shutil.which("npm") is None:
        sys.exit("this needs npm (Debian: apt install nodejs npm)")
    stamp = TOOLS / "node_modules" / ".installed"
    if not stamp.exists() or stamp.stat().st_mtime < (TOOLS / "package-lock.json").stat().st_mtime:
        run("npm", "install", "--no-save", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", cwd=TOOLS)
        stamp.touch()


def plugin(name: str) -> str | None:
    """Find a plugin of protoc on this machine."""
    return shutil.which(name) or shutil.which(name, path=str(TOOLS / "node_modules" / ".bin"))


def protoc(arguments: Sequence[str]) -> None:
    contract = sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / "dispatch").rglob("*.proto"))
    run(PREFIX / "bin" / "protoc", f"-I{PROTOS}", f"-I{PREFIX / 'include'}", *arguments, *contract)


def generate(name: str, out: Path) -> None:
    """Write the stubs of a language into an empty folder, and say what is there."""
    language = LANGUAGES[name]
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    shown = out.relative_to(PROTOS.parent)
    if name == "python":
        run(sys.executable, PROTOS / "generate.py", out)
        return print(f"{shown}: messages, services and their types")
    if name == "typescript":
        install_node_tools()
    arguments = []
    if language.needs:
        found = plugin(language.needs)
        if found is None:
            sys.exit(f"{name} needs {language.needs}, which is not on this machine: install {language.package}")
        arguments.append(f"--plugin={language.needs}={found}")
    for messages in language.messages.split(","):
        arguments.append(f"--{messages}_out={out}")
        if language.option:
            arguments.append(f"--{messages}_opt={language.option}")
    services = plugin(language.services) if language.services else None
    if services is not None:
        arguments += [f"--plugin=protoc-gen-services={services}", f"--services_out={out}"]
        if language.services_option:
            arguments.append(f"--services_opt={language.services_option}")
    protoc(arguments)
    without = f"; for the services install {language.package}" if language.services and services is None else ""
    print(f"{shown}: {'messages' if without else 'messages and services'}{without}")
    return None


def main(arguments: Sequence[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in LANGUAGES:
        sys.exit(f"usage: make stubs LANG=…, one of: {' '.join(LANGUAGES)}")
    generate(arguments[0], OUT / arguments[0])


if __name__ == "__main__":
    main(sys.argv[1:])
