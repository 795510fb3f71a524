"""The approved folders: what a person let the host read or change, and the only way any tool reaches a file.

A `Scope` is made from a list of `Folder`s for one task and closed after it. It holds no state outside itself, so a
change of permissions is in force with the next task. Knows no agents, no tasks and no database. docs/assistant.md
explains the rules and what they do not cover.
"""

from dispatch_host.scope.beneath import Beneath, ComponentWalk, OpenAt2, best_beneath
from dispatch_host.scope.folder import Folder, FolderRefused
from dispatch_host.scope.given import around
from dispatch_host.scope.hands import Facts, Hands
from dispatch_host.scope.keep_out import KeepOut, lasting
from dispatch_host.scope.kept import Identity, KeptOut
from dispatch_host.scope.names import END_MISSING, exact, fold, shown, visible
from dispatch_host.scope.refusal import Refusal, Refused
from dispatch_host.scope.renaming import LinkThenUnlink, Rename, RenameAt2, best_rename
from dispatch_host.scope.resolve import FolderNotApproved, NoSuchFolder, Place, SeveralFolders, find_folder
from dispatch_host.scope.root import Entry, Root, Tally
from dispatch_host.scope.scope import Scope

__all__ = [
    "END_MISSING",
    "Beneath",
    "ComponentWalk",
    "Entry",
    "Facts",
    "Folder",
    "FolderNotApproved",
    "FolderRefused",
    "Hands",
    "Identity",
    "KeepOut",
    "KeptOut",
    "LinkThenUnlink",
    "NoSuchFolder",
    "OpenAt2",
    "Place",
    "Refusal",
    "Refused",
    "Rename",
    "RenameAt2",
    "Root",
    "Scope",
    "SeveralFolders",
    "Tally",
    "around",
    "best_beneath",
    "best_rename",
    "exact",
    "find_folder",
    "fold",
    "lasting",
    "shown",
    "visible",
]
