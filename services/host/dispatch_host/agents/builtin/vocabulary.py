"""The words the assistant knows: kinds of files, numbers, and what a polite person adds. Data for parse.py and matching.py."""

from __future__ import annotations

from typing import NamedTuple


def listed(words: str) -> list[str]:
    """Read words written one after the other: lists of them are data, and read best so."""
    return words.split()


class Kind(NamedTuple):
    """A kind of file: how it is called and which extensions belong to it."""

    singular: str
    plural: str
    words: str  # a regular expression of what people call it
    extensions: frozenset[str]


def _kind(singular: str, plural: str, words: str, extensions: str) -> Kind:
    return Kind(singular, plural, words, frozenset(f".{extension}" for extension in extensions.split()))


KINDS: dict[str, Kind] = {
    "pdf": _kind("PDF", "PDFs", r"pdfs?", "pdf"),
    "csv": _kind("CSV", "CSVs", r"csvs?|tsvs?|comma[- ]separated", "csv tsv tab"),
    "image": _kind(
        "picture",
        "pictures",
        r"images?|pictures?|pics?|photos?|photographs?|screenshots?",
        "jpg jpeg png gif webp heic heif bmp tif tiff svg raw cr2 nef dng avif ico",
    ),
    "video": _kind(
        "video", "videos", r"videos?|movies?|films?|clips?", "mp4 mov mkv avi webm m4v wmv flv mpg mpeg 3gp"
    ),
    "audio": _kind(
        "audio file",
        "audio files",
        r"audio|music|songs?|sounds?|recordings?|podcasts?",
        "mp3 wav flac m4a aac ogg opus wma aiff mid",
    ),
    "spreadsheet": _kind(
        "spreadsheet", "spreadsheets", r"spread ?sheets?|excel|excels", "xlsx xls ods numbers csv tsv"
    ),
    "presentation": _kind(
        "presentation", "presentations", r"presentations?|slides|slide decks?|powerpoints?", "pptx ppt odp key"
    ),
    "word": _kind("Word document", "Word documents", r"word (?:documents?|docs?)", "docx doc odt rtf"),
    "text": _kind("text file", "text files", r"text|notes?|markdown", "txt md markdown rst text log org tex"),
    "archive": _kind(
        "archive", "archives", r"archives?|zips?|zip archives?|tarballs?|compressed", "zip tar gz tgz bz2 xz 7z rar zst"
    ),
    "code": _kind(
        "source file",
        "source files",
        r"code|source(?: code)?|scripts?|programs?",
        "py js ts tsx jsx java c h cpp cc hpp cs go rs rb php swift kt sh sql html css scala lua pl r ipynb",
    ),
    "installer": _kind(
        "installer", "installers", r"installers?|disk images?", "dmg exe msi deb rpm pkg appimage iso apk"
    ),
}

# Extensions a person may name without a dot: "log files", "all the xlsx", "mp4s".
EXTENSIONS = frozenset(extension for kind in KINDS.values() for extension in kind.extensions) | {
    f".{extension}"
    for extension in listed("json jsonl xml yaml yml toml ini cfg conf log parquet db sqlite eml ics vcf epub bak tmp")
}

NUMBERS: dict[str, int] = {
    word: value
    for value, word in enumerate(
        listed(
            "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
            "eighteen nineteen twenty"
        ),
        start=1,
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "hundred": 100, "dozen": 12, "couple": 2}

ORDINALS: dict[str, int] = {
    word: value
    for value, word in enumerate(listed("first second third fourth fifth sixth seventh eighth ninth tenth"), start=1)
} | {"last": -1, "final": -1}

# Folders people name although they are not approved: so that the answer can say that, and not "not understood".
USUAL_FOLDERS = (
    "downloads?",
    "documents?",
    "desktop",
    "pictures?",
    "photos",
    "music",
    "videos?",
    "movies",
    "home",
    "public",
    "templates",
)

# Words of FILLERS that folders are called by, too. Where they stand for a folder is for file_slots.py to tell.
QUANTITIES = frozenset(listed("many much most some lot lots bit"))
CONTENTS = frozenset(listed("data output outputs report result results stuff things"))

# What may be left of a request when everything that carries meaning was understood. Anything else that is left over
# means that the request was not understood: the assistant never guesses around a word it does not know.
FILLERS = frozenset(
    listed("""
        descending decreasing
        a an the my our your me mine us i i'm i'd i've we you you're it its it's they them their there that this
        these those is are was were be been being am do does did done have has had having can could would will shall
        should may might must let's let lets please pls plz kindly thanks thank thx cheers ta hey hi hello yo ok
        okay so well um uh now then also too just only really actually maybe perhaps and or but of in on at to for
        from by with within inside into under as about over out up off down per each every any all some most which
        what what's whats where where's who whose when how how's many much that's there's here show list give get
        tell find see look display print fetch want need like know wanna gonna wondering wonder check help ask try
        go return take grab provide produce bring report name present view pull output file files document documents folder
        folders directory directories dir dirs thing things item items stuff result results entry entries one ones
        data content contents computer pc mac machine laptop desktop host device drive disk hard system currently
        right quick quickly short brief briefly simple full complete whole entire again instead same more rather
        else possible if exactly exact both total overall altogether sorted sort ordered order ranked ranking rank
        rows row lines line table approved everything anything anywhere everywhere across between among amongst
        information info details detail overview bit lot lots way ways me, them, kinds kind type types sorts sized
        size sizes names named called filename filenames title titles titled located stored sitting lying kept saved
        live lives resides reside got exist exists existing contain contains containing
    """)
)
