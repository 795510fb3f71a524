"""The tools that change files, as data: each is a query of which the worker makes a plan, shown to a person and asked for. Pure."""

from __future__ import annotations

from datetime import tzinfo

from dispatch_host.agents.asking import JSON
from dispatch_host.agents.builtin.query import Action, Query
from dispatch_host.agents.given import Given, choice, listed, schema, words, yes
from dispatch_host.agents.toolbox import ToolFailed
from dispatch_host.agents.tools.reading import FileTool, Meant, file, kind, places

_ASKED = "The person sees every step and is asked first; nothing is overwritten, and undo_change takes it back."
_FOLDER = words("A folder: its path, or an approved folder's name and what lies in it.")
_FILES = listed("Files, as for read_file.")
_FILE = words("A file, as for read_file.")
_RULES = ("template", "replace", "prefix", "suffix", "ending", "lower", "upper")
_BY = ("type", "year", "month", "day", "ending")
_EDITS = ("replace", "append", "prepend", "drop")
CONTENT_CHARACTERS = 100_000
"""Of the words that one call writes into a file."""

_KEPT = "The person sees every step and is asked first; undo_change brings back what was there."
_TO = words("The folder where they go, which is there: its path, or an approved folder's name and what lies in it.")
_WHAT: dict[str, JSON] = {
    "folder": _FOLDER,
    "files": _FILES,
    "kind": words("Only files of this kind, directly in the folder."),
    "only_files": yes("The files directly in the folder, and not the folder itself."),
}


def _which(given: Given, path: Meant) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Take the files, or the folder: one of the two."""
    files = tuple(dict.fromkeys(path(said) for said in given.texts("files", most=1000) if said))
    folders = places(given, path)
    if bool(files) == bool(folders):
        raise ToolFailed("Say either files or folder.")
    if relative := [one for one in files if not one.startswith("/")]:
        raise ToolFailed(f"{relative[0][:200]} is no whole path.")
    return files, folders


def _zip(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    files, folders = _which(given, path)
    return Query(
        action=Action.ZIP, paths=files, places=folders, kind=kind(given), target=given.text("target", most=255)
    )


def _unzip(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    return Query(action=Action.UNZIP, file=file(given, path))


def _rename(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
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


def _sort(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    folder = path(given.needed("folder"))
    return Query(action=Action.SORT, places=(folder,), how=(given.one_of("by", _BY) or "type",))


def _convert(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    into = given.one_of("into", ("text", "csv")) or "text"
    return Query(
        action=Action.CONVERT,
        file=file(given, path),
        how=(into, given.text("sheet", most=255) or ""),
        target=given.text("target", most=255),
    )


def _delete(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    files, folders = _which(given, path)
    return Query(action=Action.DELETE, paths=files, places=folders, kind=kind(given), how=(_whole(given),))


def _move(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    return _placed(Action.MOVE, given, path)


def _copy(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    return _placed(Action.COPY, given, path)


def _placed(action: Action, given: Given, path: Meant) -> Query:
    """Take what goes, and where: into a folder that is there, or, of one file, to a new name beside it."""
    files, folders = _which(given, path)
    whole, of_kind, to, name = _whole(given), kind(given), given.text("to"), given.text("name", most=255)
    if name is not None:
        if to is not None or len(files) != 1:
            raise ToolFailed("name is for one file that stays in its folder; to is for all else.")
        return Query(action=action, paths=files, kind=of_kind, how=(whole, "name"), target=name)
    if to is None:
        raise ToolFailed("to is missing: the folder where it goes.")
    return Query(action=action, paths=files, places=folders, kind=of_kind, how=(whole, ""), target=_place(path(to)))


def _make_folder(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    return Query(action=Action.MAKE_FOLDER, target=_place(path(given.needed("folder"))))


def _edit(given: Given, path: Meant, _zone: tzinfo | None) -> Query:
    how = given.one_of("how", _EDITS)
    if how is None:
        raise ToolFailed("how is missing.")
    text = given.content("text", most=CONTENT_CHARACTERS)
    if not text:
        raise ToolFailed("text is missing.")
    if how == "replace":
        return Query(
            action=Action.EDIT,
            file=file(given, path),
            how=(how, text, given.content("with", most=CONTENT_CHARACTERS)),
        )
    # What is added is lines, and gets its end as all lines of the file have it.
    return Query(action=Action.EDIT, file=file(given, path), how=(how, text.removesuffix("\n")))


def _whole(given: Given) -> str:
    """Take whether the files in a folder are meant, or the folder itself with all that is in it."""
    return "files" if given.flag("only_files") else ""


def _place(said: str) -> str:
    if not said.startswith("/"):
        raise ToolFailed(f"{said[:200]} is no whole path.")
    return said


def _undo(_given: Given, _path: Meant, _zone: tzinfo | None) -> Query:
    return Query(action=Action.UNDO)


CHANGING = (
    FileTool(
        "zip_files",
        f"Pack a folder, or files, into a new zip beside them. {_ASKED}",
        schema(folder=_FOLDER, files=_FILES, kind=words("Only files of this kind."), target=words("The zip's name.")),
        _zip,
    ),
    FileTool("unzip_file", f"Unpack a zip into a new folder beside it. {_ASKED}", schema(["file"], file=_FILE), _unzip),
    FileTool(
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
    FileTool(
        "sort_files",
        f"Move the files directly in a folder into subfolders. {_ASKED}",
        schema(["folder"], folder=_FOLDER, by=choice("By what.", *_BY)),
        _sort,
    ),
    FileTool(
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
    FileTool(
        "delete_files",
        f"Delete files, or a folder with all that is in it. {_KEPT}",
        schema(**_WHAT),
        _delete,
    ),
    FileTool(
        "move_files",
        f"Move files, or a folder with all that is in it, into another folder; or give one file another name. {_ASKED}",
        schema(**_WHAT, to=_TO, name=words("The new name of one file that stays in its folder.")),
        _move,
    ),
    FileTool(
        "copy_files",
        f"Copy files, or a folder with all that is in it, into another folder; or one file beside itself. {_ASKED}",
        schema(**_WHAT, to=_TO, name=words("The name of a copy of one file, beside it.")),
        _copy,
    ),
    FileTool(
        "make_folder",
        f"Make a new folder, and what is missing of the folders on the way to it. {_ASKED}",
        schema(["folder"], folder=words("Its path, or an approved folder's name and what lies in it.")),
        _make_folder,
    ),
    FileTool(
        "edit_file",
        f"Change words in a text file of at most 128 KiB. {_KEPT}",
        schema(
            ["file", "how", "text"],
            file=_FILE,
            how=choice("replace text everywhere; add lines: append, prepend; drop the lines that have text.", *_EDITS),
            text=words("What is replaced, to the letter; the lines that are added; what lines are dropped for."),
            **{"with": words("What replace puts in its place.")},
        ),
        _edit,
    ),
    FileTool(
        "undo_change",
        "Take back the last change of this conversation, by you or before. The person sees it and is asked first.",
        schema(),
        _undo,
    ),
)
