"""What the assistant says about itself: what it can do, and why it did not do something. Text only."""

from __future__ import annotations

from collections.abc import Sequence

from dispatch_host.agents.builtin.markdown import code
from dispatch_host.scope import Refusal, Refused

CAN = """\
- **Largest files**: \u201cWhich files in my Downloads are largest?\u201d
- **Find files** by name, kind, size or date: \u201cFind PDFs in Documents with invoice in the name and summarise the first\u201d
- **Rows of a CSV**: \u201cIn Downloads find the CSV whose name contains sales report, show its top 5 rows\u201d
- **Summarise** a CSV (types, missing values, min, max, mean, top categories), a PDF or text: \u201cSummarise transactions.csv\u201d
- **Search inside files**: \u201cSearch for \u2018project apollo\u2019 in Documents\u201d
- **New and changed files**: \u201cWhat changed since yesterday?\u201d
- **Duplicate files** and **disk usage**: \u201cFind duplicates in Downloads\u201d, \u201cDisk usage\u201d
- **Zip** and unzip: \u201cZip the photos in Downloads\u201d, \u201cZip those\u201d
- **Rename** many files: \u201cRename them to trip 1, trip 2\u201d, \u201cReplace _ with - in the names in Downloads\u201d
- **Sort into folders** by type or date: \u201cSort Downloads into folders by type\u201d
- **Convert**: \u201cExtract the text from contract.pdf\u201d, \u201cConvert budget.xlsx to CSV\u201d
- **Move, copy, delete**: \u201cMove the PDFs in Downloads to Documents\u201d, \u201cDelete those\u201d
- **Make a folder**: \u201cMake a folder Trip in Documents\u201d
- **Change a text file**: \u201cAdd a line \u2018call Bob\u2019 to notes.txt\u201d, \u201cReplace one with two in config.ini\u201d
- **Undo** the last of these: \u201cUndo that\u201d
- **Attachments**: attach a file and ask \u201cSummarise the attached file\u201d, or \u201cList attachments\u201d
- **Send a file to your phone**: \u201cSend me the largest PDF in Downloads\u201d, \u201cSend me report.csv\u201d
- **Programs**, where they are permitted: \u201cRun the tests in ~/code/x\u201d, \u201cgit status\u201d, \u201cRun script.py\u201d
- **Web pages**, where they are permitted: \u201cOpen https://example.org and summarise it\u201d, \u201cScreenshot of https://example.org\u201d
- **The desktop**, where permitted: \u201cWhich apps are open?\u201d, \u201cFocus the terminal\u201d, \u201cOpen report.pdf\u201d
- **Follow-ups**: \u201cand the second?\u201d, \u201conly PDFs\u201d, \u201cwhat about Documents?\u201d"""


def about(folders: Sequence[str]) -> str:
    """Answer "what can you do?"."""
    where = (
        f"I may look into {', '.join(map(code, folders))}."
        if folders
        else f"No folder is approved yet. {how_to_approve()}"
    )
    what = "I work with the files in the folders you approved, without a network. I change nothing without asking you first."
    return f"{what}\n\n{CAN}\n\n{where}"


def how_to_approve(path: str = "PATH") -> str:
    """Say how a folder gets approved."""
    return f"To approve a folder, run {code(f'dispatch-host folders add {path}')} on the computer."


def not_understood(left: Sequence[str]) -> str:
    """Answer what was not understood."""
    which = f" I don't know what to do with {', '.join(map(code, left[:6]))}." if left else ""
    return f"I did not understand that.{which} I never guess. What I can do:\n\n{CAN}"


def needs_agent(changes_files: bool) -> str:
    """Answer what is clearly for another agent."""
    why = (
        "That would change files in a way that the built-in assistant does not know: nothing was changed."
        if changes_files
        else "That needs another agent: the built-in assistant works with files, programs and pages. Nothing was done."
    )
    how = "On the computer, `dispatch-host agent` lists those that there are, and `dispatch-host agent use NAME` chooses one."
    return f"{why} {how} Or ask \u201cwhat can you do?\u201d"


def nothing_earlier() -> str:
    """Answer a follow-up that follows nothing."""
    return f"That refers to an earlier answer, and there is none in this thread that fits. What I can do:\n\n{CAN}"


def not_approved(said: str, folders: Sequence[str]) -> str:
    """Answer a request for a folder that is not approved."""
    known = f"Approved: {', '.join(map(code, folders))}." if folders else "No folder is approved yet."
    path = said if said.startswith(("/", "~")) else "PATH"
    return f"{code(said)} is not in an approved folder, so it was not looked at. {known} {how_to_approve(path)}"


def nothing_to_undo() -> str:
    """Answer "undo that" where nothing was changed."""
    return "There is nothing to undo: no file was changed in this thread, or it is too long ago."


def not_writable(label: str, refused: Refused) -> str:
    """Answer a request to change something where that is not approved."""
    if refused.reason is not Refusal.READ_ONLY:
        return f"Nothing was changed: {code(refused.path)} is {refused.reason}."
    return f"{code(label)} is approved for reading only, so nothing was changed. {how_to_let_write()}"


def nowhere_to_write(where: str) -> str:
    """Answer a request for a new file where none may be made."""
    return f"No new file may be made in {where}, nor in any other approved folder. {how_to_let_write()}"


def how_to_let_write() -> str:
    """Say how a folder may be changed."""
    return f"To let me change files there, run {code('dispatch-host folders add PATH --write')} on the computer."


def none_approved() -> str:
    """Answer any request while no folder is approved."""
    return f"No folder is approved yet, so there is nothing I may look into. {how_to_approve()}"
