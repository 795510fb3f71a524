"""What opening a document comes to: it is shown, it does something, or it runs. Pure: by its name, its mode and how it begins.

Some systems go by the name and some by what is in a file, so both must agree on something that only shows. What is not known to
be harmless is not taken for it. Called by finding.py. docs/desktop.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import PurePath

from dispatch_host.desktop import pdf

BEGINNING_BYTES = 8192
"""How much of a file is looked at for what it is: as far as any system does."""
WHOLE_BYTES = 8 * 1024 * 1024
"""How much is looked at of a document for what it does. A longer one could do it further on."""


class Opens(Enum):
    """What opening a document comes to. The value is how a person reads it, empty for what needs no word."""

    AS_SHOWN = ""
    AS_OFFICE = "It is an office document: it may hold macros, and fetch from the network."
    AS_PAGE = (
        "It is a web page: your own browser does what is in it, with your sign-ins and in this computer's network."
    )
    AS_FETCHING = "It may fetch from the network, or do something by itself, in the application that you have for it."
    AS_UNKNOWN = "It is no document that is known to be harmless: what opening it does depends on what you have for it."
    AS_PROGRAM = "Opening it could run it."


def opens(document: PurePath, mode: int, content: bytes) -> Opens:
    """Tell what opening it comes to. `mode` is the file's, `content` its first `looked_at_bytes`."""
    # Windows takes no notice of dots and spaces at the end of a name.
    ending = PurePath(document.name.rstrip(". ")).suffix.lower()
    beginning = content[:BEGINNING_BYTES]
    if ending in _PROGRAMS or mode & 0o111 or beginning.startswith(_PROGRAM_BEGINNINGS):
        return Opens.AS_PROGRAM
    if ending in _PAGES or _PAGE.search(beginning):
        return Opens.AS_PAGE
    if ending in _OFFICE or beginning.lstrip().startswith(b"{\\rtf"):
        return Opens.AS_OFFICE
    if document.name != document.name.rstrip(". ") or not _is_what_it_is_called(ending, beginning):
        return Opens.AS_UNKNOWN
    if ending in _DOES and (len(content) > WHOLE_BYTES or _DOES[ending](content)):
        return Opens.AS_FETCHING
    return Opens.AS_SHOWN


def looked_at_bytes(document: PurePath) -> int:
    """Give how much of a document `opens` wants to see."""
    return WHOLE_BYTES + 1 if document.suffix.lower() in _DOES else BEGINNING_BYTES


def _markdown_does(content: bytes) -> bool:
    return _FETCHED.search(content) is not None


def _is_what_it_is_called(ending: str, beginning: bytes) -> bool:
    if ending in _TEXTS:
        return b"\0" not in beginning and not beginning.lstrip().startswith(b"%!")
    begins = _BEGINS.get(ending)
    return begins is not None and begins.match(beginning) is not None


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What runs when it is opened, makes a disk, a setting or a sign-in of itself, or leads elsewhere; on one system or another.
_PROGRAMS = _words(
    """
    .app .appimage .appinstaller .application .appref-ms .appx .bat .chm .cmd .com .command .cpl .deb .desktop .diagcab
    .directory .dmg .exe .fileloc .flatpakref .flatpakrepo .gadget .hta .img .inetloc .inf .ins .iso .isp .jar .jnlp .js .jse
    .kdelnk .lnk .mjs .mobileconfig .msc .msi .msix .msp .mst .pif .pkg .pl .prefpane .ps1 .psm1 .py .pyc .pyw .pyz .rb .rdp
    .reg .rpm .run .scf .scpt .scptd .scr .sct .search-ms .service .settingcontent-ms .sh .shb .snap .terminal .theme .tool .url
    .vb .vbe .vbs .vhd .vhdx .webloc .website .workflow .wsc .wsf .wsh .xbap .xll
    """
)
_PROGRAM_BEGINNINGS = (
    b"#!",
    b"MZ",
    b"\x7fELF",
    b"\xca\xfe\xba\xbe",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"[Desktop Entry]",
)
_PAGES = _words(
    """
    .htm .html .maff .mht .mhtml .shtml .svg .svgz .webarchive .xht .xhtml .xml .xsl .xslt
    """
)
_OFFICE = _words(
    """
    .csv .doc .docm .docx .dot .dotm .dotx .fodp .fods .fodt .key .numbers .odb .odf .odg .odp .ods .odt .one .otp .ots .ott .pages
    .pot .potm .potx .pps .ppsm .ppsx .ppt .pptm .pptx .pub .rtf .slk .tsv .vsd .vsdx .xla .xlam .xls .xlsb .xlsm .xlsx .xlt .xltm
    .xltx
    """
)
# In Markdown, a picture, which is fetched from where it says, a link, of which some show a preview, and markup.
_FETCHED = re.compile(rb"\]\s*[(:\[]|<[A-Za-z!?]")
# Markup anywhere in what is looked at: some systems take such a text for a page, whatever it is called. Of no tag so short that
# the bytes of a picture have it by chance.
_PAGE = re.compile(
    rb"<(?:!--|(?:!doctype|\?xml|html|head|title|body|script|svg|iframe|meta|link|base|img|table|style|h1|a\s+href)\b)",
    re.IGNORECASE,
)
_TEXTS = _words(
    """
    .log .md .text .txt
    """
)
_BEGINS: Mapping[str, re.Pattern[bytes]] = {
    ending: re.compile(pattern, re.DOTALL)
    for endings, pattern in (
        (".pdf", rb"%PDF-"),
        (".png", rb"\x89PNG\r\n"),
        (".jpg .jpeg", rb"\xff\xd8\xff"),
        (".gif", rb"GIF8"),
        (".webp", rb"RIFF....WEBP"),
        (".wav", rb"RIFF....WAVE"),
        (".mp3", rb"ID3|\xff[\xe2-\xfb]"),
        (".ogg .opus", rb"OggS"),
        (".flac", rb"fLaC"),
        (".mp4 .m4a .m4v .mov", rb"....ftyp"),
        (".mkv .webm", rb"\x1a\x45\xdf\xa3"),
    )
    for ending in endings.split()
}
_DOES: Mapping[str, Callable[[bytes], bool]] = {".md": _markdown_does, ".pdf": pdf.acts}
