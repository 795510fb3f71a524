"""The tools that change files, as data: each is a query of which the worker makes a plan, shown to a person and asked for. Pure."""

from __future__ import annotations

from datetime import tzinfo

from dispatch_host.agents.builtin.query import Action, Query
from dispatch_host.agents.toolbox import ToolFailed
from dispatch_host.agents.tools.given import Given, choice, listed, schema, words
from dispatch_host.agents.tools.reading import Looking, Path, file, kind, places

_ASKED = "The person sees every step and is asked first; nothing is overwritten, and undo_change takes it back."
_FOLDER = words("A folder: its path, or an approved folder's name and what lies in it.")
_FILES = listed("Files, as for read_file.")
_FILE = words("A file, as for read_file.")
_RULES = ("template", "replace", "prefix", "suffix", "ending", "lower", "upper")
_BY = ("type", "year", "month", "day", "ending")


def _which(given: Given, path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Take the files, or the folder: one of the two."""
    files = tuple(path(said) for said in given.texts("files", most=1000) if said)
    folders = places(given, path)
    if bool(files) == bool(folders):
        raise ToolFailed("Say either files or folder.")
    if relative := [one for one in files if not one.startswith("/")]:
        raise ToolFailed(f"{relative[0][:200]} is no whole path.")
    return files, folders


def _zip(given: Given, path: Path, _zone: tzinfo | None) -> Query:
    files, folders = _which(given, path)
    return Query(
        action=Action.ZIP, paths=files, places=folders, kind=kind(given), target=given.text("target", most=255)
    )


def _unzip(given: Given, path: Path, _zone: tzinfo | None) -> Query:
    return Query(action=Action.UNZIP, file=file(given, path))


def _rename(given: Given, path: Path, _zone: tzinfo | None) -> Query:
    files, folders = _which(given, path)
    rule = given.one_of("rule", _RULES)
    if rule is None:
        raise ToolFailed("rule is missing.")
    if rule in ("lower", "upper"):
        how: tuple[str, ...] = ("case", rule)
    elif rule == "replace":
        how = (rule, given.needed("text", most=255), given.text("with", most=255) or "")
    else:
        how = (rule, given.needed("text", most=255))
    if rule == "ending" and not how[1].startswith("."):
        raise ToolFailed("An ending begins with a dot.")
    return Query(action=Action.RENAME, paths=files, places=folders, kind=kind(given), how=how)


def _sort(given: Given, path: Path, _zone: tzinfo | None) -> Query:
    folder = path(given.needed("folder"))
    return Query(action=Action.SORT, places=(folder,), how=(given.one_of("by", _BY) or "type",))


def _convert(given: Given, path: Path, _zone: tzinfo | None) -> Query:
    into = given.one_of("into", ("text", "csv")) or "text"
    return Query(
        action=Action.CONVERT,
        file=file(given, path),
        how=(into, given.text("sheet", most=255) or ""),
        target=given.text("target", most=255),
    )


def _undo(_given: Given, _path: Path, _zone: tzinfo | None) -> Query:
    return Query(action=Action.UNDO)


CHANGING = (
    Looking(
        "zip_files",
        f"Pack a folder, or files, into a new zip beside them. {_ASKED}",
        schema(folder=_FOLDER, files=_FILES, kind=words("Only files of this kind."), target=words("The zip's name.")),
        _zip,
    ),
    Looking("unzip_file", f"Unpack a zip into a new folder beside it. {_ASKED}", schema(["file"], file=_FILE), _unzip),
    Looking(
        "rename_files",
        f"Rename files by one rule: those named, or those directly in a folder. {_ASKED}",
        schema(
            ["rule"],
            folder=_FOLDER,
            files=_FILES,
            kind=words("Only files of this kind."),
            rule=choice("How.", *_RULES),
            text={
                "type": "string",
                "description": "The pattern of template (trip {nnn}: {n} is the number, {date} the day), what replace "
                "looks for, or what prefix, suffix or ending puts there. Endings stay but for ending.",
            },
            **{"with": words("What replace puts in its place.")},
        ),
        _rename,
    ),
    Looking(
        "sort_files",
        f"Move the files directly in a folder into subfolders. {_ASKED}",
        schema(["folder"], folder=_FOLDER, by=choice("By what.", *_BY)),
        _sort,
    ),
    Looking(
        "convert_file",
        f"Make a new file of a file's text (PDF, .docx, .pptx, .xlsx), or a CSV of a sheet. {_ASKED}",
        schema(
            ["file"],
            file=_FILE,
            into=choice("Into what.", "text", "csv"),
            sheet=words("Which sheet; the first if left out."),
            target=words("The new file's name."),
        ),
        _convert,
    ),
    Looking(
        "undo_change",
        "Take back the last change of this conversation, by you or before. The person sees it and is asked first.",
        schema(),
        _undo,
    ),
)
