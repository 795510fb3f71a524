"""What people write, and what it is understood as. A phrasing that somebody misses is a line more in these tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from dispatch_host.agents.builtin.parse import ANOTHER_AGENT, FILE_CHANGES, parse
from dispatch_host.agents.builtin.query import Action, Sort, Style
from dispatch_host.agents.builtin.slots import NEXT, OTHER

from tests.unit.assistant.conftest import NOW

FOLDERS = ["Downloads", "Documents"]
DL, DOC = {"places": ("Downloads",)}, {"places": ("Documents",)}
PDF, CSV = {"kind": "pdf"}, {"kind": "csv"}
LARGEST = {"sort": Sort.LARGEST}


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=NOW.tzinfo)


UNDERSTOOD: dict[Action, list[tuple[str, dict[str, Any]]]] = {
    Action.LARGEST: [
        ("Which files in my Downloads are largest?", {**DL, **LARGEST}),
        ("which files in my downloads are the largest", {"places": ("downloads",), **LARGEST}),
        ("biggest 5 files in downloads", {"places": ("downloads",), "count": 5, **LARGEST}),
        ("Could you please show me the ten biggest videos?", {"count": 10, "kind": "video", **LARGEST}),
        ("top ten biggest files please", {"count": 10, **LARGEST}),
        ("list the 3 largest PDFs in Documents", {"count": 3, **DOC, **PDF, **LARGEST}),
        ("What is the biggest file in my Downloads folder?", {**DL, **LARGEST}),
        ("show me my largest downloads", {"places": ("downloads",), **LARGEST}),
        ("Whats the largest file on my computer?", LARGEST),
        ("which 5 files are the largest in downloads?", {"places": ("downloads",), "count": 5, **LARGEST}),
        ("i want to know which files are taking the most space in my downloads", {"places": ("downloads",)}),
        ("smallest files in Downloads", {**DL, "sort": Sort.SMALLEST}),
        ("large files", LARGEST),
        ("List my largest files in descending order", LARGEST),
        ("Which of my files are the biggest?", LARGEST),
        ("Any really big files in Downloads?", {**DL, **LARGEST}),
        ("Sort Downloads by size", {**DL, **LARGEST}),
        ("wich files are bigest in downlods", {"places": ("downloads",), **LARGEST}),
        ("Rank the files in Downloads by size", {**DL, **LARGEST}),
        ("largest files in ~/Pictures", {"places": ("~/Pictures",), **LARGEST}),
        ("largest files in /etc", {"places": ("/etc",), **LARGEST}),
        ("largest files in Downloads/work", {"places": ("Downloads/work",), **LARGEST}),
        ("list everything in Downloads largest to smallest", {**DL, **LARGEST}),
        ("list the files in Downloads from smallest to largest", {**DL, "sort": Sort.SMALLEST}),
        ("list downloads by size, biggest first", {"places": ("downloads",), **LARGEST}),
        ("which are the 10 largest files in Downloads and how big are they?", {"count": 10, **DL, **LARGEST}),
        ("what's the single largest file in Documents", {**DOC, **LARGEST}),
    ],
    Action.FIND: [
        ("find photo.bin", {"name": "photo.bin", "loose": True}),
        (
            'Find PDFs in Documents with "invoice" in the filename, list them, and summarise the first one.',
            {**DOC, **PDF, "name": "invoice", "summarise": 1},
        ),
        ("find pdfs with invoice in the name and summarise the first", {**PDF, "name": "invoice", "summarise": 1}),
        (
            "Find every PDF in my Documents with the word \u201ccontract\u201d in its name. List them and summarize the first.",
            {**DOC, **PDF, "name": "contract", "summarise": 1},
        ),
        (
            "find all PDF files whose filename contains invoice in my Documents folder, then summarise the first",
            {**DOC, **PDF, "name": "invoice", "summarise": 1},
        ),
        ("find pdfs named invoice and give me a summary of the first one", {**PDF, "name": "invoice", "summarise": 1}),
        (
            "PDFs in Documents with report in the title; summarize the second",
            {**DOC, **PDF, "name": "report", "summarise": 2},
        ),
        (
            "summarise the first pdf with invoice in the name in Documents",
            {**DOC, **PDF, "name": "invoice", "summarise": 1},
        ),
        ("List all the PDFs in Documents with 'invoice' in the name", {**DOC, **PDF, "name": "invoice"}),
        ("invoice pdfs", {**PDF, "name": "invoice"}),
        ("What PDFs do I have about insurance?", {**PDF, "name": "insurance"}),
        ("find invoices", {"name": "invoices", "loose": True}),
        ("where is my passport scan?", {"name": "passport scan", "loose": True}),
        ("Look for PDFs with contract in their filename in Documents", {**DOC, **PDF, "name": "contract"}),
        ("search Documents for pdfs with invoice in the name", {**DOC, **PDF, "name": "invoice"}),
        ("Do I have a PDF called lease agreement?", {**PDF, "name": "lease agreement"}),
        ("list the contents of Downloads", DL),
        ("show me my documents", {"places": ("documents",)}),
        ("find files with budget in the name", {"name": "budget"}),
        ("find me files about taxes in Documents", {**DOC, "name": "taxes"}),
        ("list all csv files", CSV),
        ("list files in Downloads", DL),
        ("what's in my Downloads?", DL),
        ("all .log files in Downloads", {**DL, "kind": ".log"}),
        ("find png files", {"kind": ".png"}),
        ("files larger than 100 MB", {"minimum_bytes": 100_000_000}),
        ("list videos in Downloads bigger than 500 mb", {**DL, "kind": "video", "minimum_bytes": 500_000_000}),
        ("find files under 1 KiB", {"maximum_bytes": 1024}),
        ("show all images from last month", {"kind": "image", "since": at(2026, 10, 1), "until": at(2026, 11, 1)}),
        ("list the files in ../secret", {"places": ("../secret",)}),
        # A name may hold words that mean something elsewhere.
        ("find files with line in the name", {"name": "line"}),
        (
            "find PDFs in Documents with summary in the filename, list them, summarise the first",
            {**DOC, **PDF, "name": "summary", "summarise": 1},
        ),
        ("what is the size of notes.txt?", {"file": "notes.txt"}),
    ],
    Action.HEAD: [
        (
            'In Downloads find the CSV whose name contains "sales report" and show its top 5 rows as a table',
            {**DL, **CSV, "name": "sales report", "count": 5, "style": Style.TABLE},
        ),
        (
            "In Downloads, find the CSV whose name contains sales report, show its top 5 rows as a table",
            {**DL, **CSV, "name": "sales report", "count": 5, "style": Style.TABLE},
        ),
        (
            "in Downloads find the csv whose name has the phrase 'sales report' in it and show me the top 5 rows",
            {**DL, **CSV, "name": "sales report", "count": 5},
        ),
        ("show me the first five lines of the csv about sales q3", {**CSV, "name": "sales q3", "count": 5}),
        ("top 5 rows", {"count": 5}),
        ("show me the last 10 rows of sales_q3.csv", {"file": "sales_q3.csv", "count": 10, "tail": True}),
        ("show the top five rows of sales-report.csv", {"file": "sales-report.csv", "count": 5}),
        ("open sales.csv and show the first 3 rows", {"file": "sales.csv", "count": 3}),
        ("what are the first 10 rows of the csv called 'sales report'", {**CSV, "name": "sales report", "count": 10}),
        (
            'Open the CSV with "offsite budget" in the name and show me the top 5 rows',
            {**CSV, "name": "offsite budget", "count": 5},
        ),
        ("let me see the first few rows of orders.csv", {"file": "orders.csv"}),
        ("preview customers.csv", {"file": "customers.csv"}),
        ("give me the head of orders.csv", {"file": "orders.csv"}),
        ("first 3 rows of the newest csv in Downloads", {**DL, **CSV, "count": 3, "sort": Sort.NEWEST}),
        ("display top 5 rows of the csv with sales in the name", {**CSV, "name": "sales", "count": 5}),
        (
            'Show first 20 rows of "sales report q3.csv" in Downloads',
            {**DL, "file": "sales report q3.csv", "count": 20},
        ),
        ("show the last 3 lines of notes.txt", {"file": "notes.txt", "count": 3, "tail": True}),
        (
            "from downloads, take the csv with feedback in its name and print the top five rows",
            {"places": ("downloads",), **CSV, "name": "feedback", "count": 5},
        ),
        # People don't quote names with spaces.
        (
            "In Downloads show the top five rows of team offsite budget (final).csv as a table",
            {**DL, "file": "team offsite budget (final).csv", "count": 5, "style": Style.TABLE},
        ),
        ("show the first 3 rows of Sales Report 2025 Q2.csv", {"file": "Sales Report 2025 Q2.csv", "count": 3}),
    ],
    Action.ROWS: [
        ("how many rows are in orders.csv?", {"file": "orders.csv"}),
        ("how many rows does sales.csv have", {"file": "sales.csv"}),
        ("how many records in orders.csv", {"file": "orders.csv"}),
        ("count the lines in notes.txt", {"file": "notes.txt"}),
        ("how many rows are in customer feedback q3.csv", {"file": "customer feedback q3.csv"}),
    ],
    Action.SUMMARISE: [
        ("summarise the big csv", {**CSV, **LARGEST}),
        ("Summarise the 50 MB CSV", {**CSV, **LARGEST}),
        ("summarize the 50MB csv in Downloads", {**DL, **CSV, **LARGEST}),
        ("describe sales.csv", {"file": "sales.csv"}),
        ("profile the transactions csv in downloads", {"places": ("downloads",), **CSV, "name": "transactions"}),
        ("Summarize the csv file named transactions", {**CSV, "name": "transactions"}),
        (
            "Give me statistics for transactions.csv: rows, columns, types, missing values, min/max/mean and top categories",
            {"file": "transactions.csv"},
        ),
        ("What are the top categories in orders.csv?", {"file": "orders.csv"}),
        ("give me a summary of report.pdf", {"file": "report.pdf"}),
        ("summarise the invoice pdf", {**PDF, "name": "invoice"}),
        ("summarise the latest pdf in Documents", {**DOC, **PDF, "sort": Sort.NEWEST}),
        ("tl;dr contract.pdf", {"file": "contract.pdf"}),
        ("what's the lease agreement pdf about?", {**PDF, "name": "lease agreement"}),
        ("Analyse big.csv", {"file": "big.csv"}),
        ("Give me an overview of big.csv", {"file": "big.csv"}),
        ("stats for big.csv", {"file": "big.csv"}),
        ("what columns does orders.csv have?", {"file": "orders.csv"}),
        ("how many pages does contract.pdf have?", {"file": "contract.pdf"}),
        ("what does contract.pdf say?", {"file": "contract.pdf"}),
        ("what is contract.pdf about?", {"file": "contract.pdf"}),
        ("what's in sales.csv?", {"file": "sales.csv"}),
        ("what's in the lease", {"name": "lease", "loose": True}),
        ("summary statistics for orders.csv", {"file": "orders.csv"}),
        ("please summarise Lease agreement.pdf for me", {"file": "Lease agreement.pdf"}),
        ("what is Aurora half-year report.pdf about?", {"file": "Aurora half-year report.pdf"}),
    ],
    Action.READ: [
        ("read photo.bin", {"name": "photo.bin", "loose": True}),
        ("read notes.txt", {"file": "notes.txt"}),
        ("read reading list.txt", {"file": "reading list.txt"}),
        ("show me customer feedback q3.csv", {"file": "customer feedback q3.csv"}),
        ("read ../../etc/passwd", {"places": ("../../etc/passwd",)}),
        ("open notes.txt", {"file": "notes.txt"}),
        ("Open the lease agreement pdf", {**PDF, "name": "lease agreement"}),
        ("show me the contents of notes.txt", {"file": "notes.txt"}),
    ],
    Action.SEARCH: [
        ("search for 'foo bar' in Documents", {**DOC, "phrase": "foo bar"}),
        ('search my files for "project apollo"', {"phrase": "project apollo"}),
        ("Search Documents for apollo", {**DOC, "phrase": "apollo"}),
        ("grep TODO in Documents", {**DOC, "phrase": "TODO"}),
        ("which files mention project apollo?", {"phrase": "project apollo"}),
        ('which documents contain the word "confidential"?', {"phrase": "confidential"}),
        ('where does "budget 2026" appear in my documents?', {"places": ("documents",), "phrase": "budget 2026"}),
        ("show me where apollo is mentioned", {"phrase": "apollo"}),
        ("find every file containing the phrase quarterly results", {"phrase": "quarterly results"}),
        ("find the phrase 'net 30' in my documents", {"places": ("documents",), "phrase": "net 30"}),
        ("look for the word invoice inside the text files in Documents", {**DOC, "kind": "text", "phrase": "invoice"}),
        ('In which files does the phrase "net 30" appear?', {"phrase": "net 30"}),
        ("in which file did I write about Lisbon", {"phrase": "Lisbon"}),
        ("does any file mention Lisbon?", {"phrase": "Lisbon"}),
        ("find lines with ERROR in app.log", {"phrase": "ERROR", "file": "app.log"}),
        (
            "find lines with dented in customer feedback q3.csv",
            {"phrase": "dented", "file": "customer feedback q3.csv"},
        ),
        ("grep -i error app.log", {"phrase": "error", "file": "app.log"}),
        ("grep -rn x Documents", {**DOC, "phrase": "x"}),
        ("find files that contain quarterly results", {"phrase": "quarterly results"}),
        ("any pdfs mentioning insurance?", {**PDF, "phrase": "insurance"}),
        ("find pdfs with insurance in them", {**PDF, "phrase": "insurance"}),
        ("serach for apollo in documents", {"places": ("documents",), "phrase": "apollo"}),
    ],
    Action.CHANGED: [
        ("what changed since yesterday", {"since": at(2026, 11, 20)}),
        ("what changed in the last 2 hours", {"since": at(2026, 11, 21, 7, 30)}),
        ("files changed since Monday", {"since": at(2026, 11, 16)}),
        ("what changed since 2026-11-01", {"since": at(2026, 11, 1)}),
        ("list files modified after 2026-11-01 in Downloads", {**DL, "since": at(2026, 11, 1)}),
        ("new files today", {"since": at(2026, 11, 21), "until": at(2026, 11, 22)}),
        ("what was changed yesterday?", {"since": at(2026, 11, 20), "until": at(2026, 11, 21)}),
        ("files modified between 2026-11-01 and 2026-11-10", {"since": at(2026, 11, 1), "until": at(2026, 11, 11)}),
        ("show files I edited last week", {"since": at(2026, 11, 9), "until": at(2026, 11, 16)}),
        ("what files were changed in the past 3 days in Documents?", {**DOC, "since": at(2026, 11, 18, 9, 30)}),
        ("What new files arrived in Downloads since 9am?", {**DL, "since": at(2026, 11, 21, 9)}),
        ("files older than 1 year", {"until": at(2025, 11, 21, 9, 30)}),
        ("which files haven't been touched in 6 months", {"until": at(2026, 5, 21, 9, 30)}),
        ("what's new in Downloads?", DL),
        ("newest 10 files", {"count": 10, "sort": Sort.NEWEST}),
        ("recent files", {}),
        ("what did I work on yesterday?", {"since": at(2026, 11, 20), "until": at(2026, 11, 21)}),
        ("files added to Downloads this week", {**DL, "since": at(2026, 11, 16), "until": at(2026, 11, 23)}),
        ("list new files since November 1st", {"since": at(2026, 11, 1)}),
        ("anything changed since 2026-11-20 14:00?", {"since": at(2026, 11, 20, 14)}),
        ("latest downloads", {"places": ("downloads",), "sort": Sort.NEWEST}),
        (
            "find budget files modified this week",
            {"name": "budget", "since": at(2026, 11, 16), "until": at(2026, 11, 23)},
        ),
    ],
    Action.DUPLICATES: [
        ("duplicate files in Documents", DOC),
        ("find duplicates", {}),
        ("which of my files are the same?", {}),
        ("which files are duplicates of each other", {}),
        ("how much space do duplicates waste?", {}),
        ("do I have any duplicates in my downloads?", {"places": ("downloads",)}),
        ("are there identical files in Downloads and Documents?", {"places": ("Downloads", "Documents")}),
        ("are there any duplicate photos in my Pictures folder?", {"places": ("Pictures",), "kind": "image"}),
    ],
    Action.USAGE: [
        ("what's eating my disk", {}),
        ("disk usage by folder", {}),
        ("which folders are largest", {}),
        ("show me disk usage per folder in Documents", DOC),
        ("how big is my Downloads folder?", DL),
        ("how much space does Documents use?", DOC),
        ("what is taking up space in Downloads?", DL),
        ("which folder takes the most space?", {}),
        ("break down disk usage by folder", {}),
        ("folder sizes", {}),
        ("total size of Downloads", DL),
        ("How is my disk space used?", {}),
        ("how big is each subfolder of Documents?", DOC),
    ],
    Action.COUNT: [
        ("how many pdfs do I have in Documents?", {**DOC, **PDF}),
        ("how many files are in Downloads?", DL),
        ("how many files are in many?", {"places": ("many",)}),
        ("how many files are in data", {"places": ("data",)}),
        ("how many files are in the reports folder", {"places": ("reports",)}),
        ("how many files are in the folder called many", {"places": ("many",)}),
        ("how many pdfs are in the data folder?", {**PDF, "places": ("data",)}),
        ("how many files are in there in total", {}),
        ("count the csv files", CSV),
        ("what types of files are in Downloads?", DL),
    ],
    Action.HELP: [
        ("help", {}),
        ("what can you do", {}),
        ("What can you do for me?", {}),
        ("how does this work?", {}),
        ("hello", {}),
    ],
    Action.DELETE: [
        ("delete notes.txt", {"how": ("",), "file": "notes.txt"}),
        (
            "please delete old report.pdf in Documents",
            {"how": ("",), "file": "old report.pdf", "places": ("Documents",)},
        ),
        ("remove all pdfs in Downloads", {"how": ("files",), "kind": "pdf", "places": ("Downloads",)}),
        ("delete everything in Downloads", {"how": ("files",), "places": ("Downloads",)}),
        ("delete my Downloads/old folder", {"how": ("",), "places": ("Downloads/old",)}),
        ("move notes.txt to the trash", {"how": ("",), "file": "notes.txt"}),
        (
            "get rid of the 3 largest files in Downloads",
            {"how": ("files",), "count": 3, "sort": Sort.LARGEST, "places": ("Downloads",)},
        ),
        ("throw away the photos in Downloads", {"how": ("",), "kind": "image", "places": ("Downloads",)}),
    ],
    Action.MOVE: [
        ("please move the pdfs to Archive", {"how": ("", ""), "target": "Archive", "kind": "pdf"}),
        (
            "move all photos in Downloads to Documents",
            {"how": ("files", ""), "target": "Documents", "kind": "image", "places": ("Downloads",)},
        ),
        ("put notes.txt into the Documents folder", {"how": ("", ""), "target": "Documents", "file": "notes.txt"}),
        ("move notes.txt to ~/Documents/old", {"how": ("", ""), "target": "~/Documents/old", "file": "notes.txt"}),
        (
            "move the pdfs in Downloads to a new folder called 'tax 2026'",
            {"how": ("", "new"), "target": "tax 2026", "kind": "pdf", "places": ("Downloads",)},
        ),
        ("move notes.txt to todo.txt", {"how": ("", ""), "target": "todo.txt", "file": "notes.txt"}),
    ],
    Action.COPY: [
        ("copy notes.txt to Documents", {"how": ("", ""), "target": "Documents", "file": "notes.txt"}),
        (
            "back up the csv files in Downloads to Documents/backup",
            {"how": ("files", ""), "target": "Documents/backup", "kind": "csv", "places": ("Downloads",)},
        ),
        ("make a copy of notes.txt", {"how": ("", ""), "file": "notes.txt"}),
        ("copy notes.txt as notes-old.txt", {"how": ("", ""), "target": "notes-old.txt", "file": "notes.txt"}),
    ],
    Action.SEND: [
        # a name is one by its ending, though that is not known, and though its beginning means a kind of file
        ("Send me photo.bin", {"name": "photo.bin", "loose": True}),
        ("send me the file photo.bin", {"name": "photo.bin", "loose": True}),
        ("send notes.xyz to my phone", {"name": "notes.xyz", "loose": True}),
        ("send me data.bin please", {"name": "data.bin", "loose": True}),
        ("send me notes", {"kind": "text"}),
    ],
    Action.MAKE_FOLDER: [
        ("make a folder Trip in Documents", {"target": "Trip", "places": ("Documents",)}),
        ("create a new folder called 'my trip' in Downloads", {"target": "my trip", "places": ("Downloads",)}),
        ("mkdir ~/Documents/trip", {"target": "~/Documents/trip"}),
        ('mkdir "/home/me/Documents/My trip"', {"target": "/home/me/Documents/My trip"}),
        ("make a folder /home/me/Documents/trip", {"target": "/home/me/Documents/trip"}),
        ("make a folder at /home/me/Documents/trip", {"target": "/home/me/Documents/trip"}),
        ("mkdir 'my trip' in Documents", {"target": "my trip", "places": ("Documents",)}),
        ("create a folder in Documents called trip", {"target": "trip", "places": ("Documents",)}),
        ("create an empty folder named invoices", {"target": "invoices"}),
        ("mkdir a/b", {"target": "a/b"}),
        ("mkdir -p a/b", {"target": "a/b"}),
        ("mkdir --parents -v a/b in Documents", {"target": "a/b", "places": ("Documents",)}),
        ("make a folder a/b/c", {"target": "a/b/c"}),
        ("create a new folder called tax/2026 in Documents", {"target": "tax/2026", "places": ("Documents",)}),
    ],
    Action.EDIT: [
        ("add a line 'call Bob' to notes.txt", {"how": ("append", "call Bob"), "file": "notes.txt"}),
        (
            "add 'milk, eggs' to the end of shopping.txt in Documents",
            {"how": ("append", "milk, eggs"), "file": "shopping.txt", "places": ("Documents",)},
        ),
        (
            "Add call the bank tomorrow to my file todo.md",
            {"how": ("append", "call the bank tomorrow"), "file": "todo.md"},
        ),
        ("append to notes.txt: buy milk", {"how": ("append", "buy milk"), "file": "notes.txt"}),
        ("insert the line 'first' at the top of notes.txt", {"how": ("prepend", "first"), "file": "notes.txt"}),
        ("replace foo by bar in config.ini", {"how": ("replace", "foo", "bar"), "file": "config.ini"}),
        (
            "in config.ini replace 'debug = yes' with 'debug = no'",
            {"how": ("replace", "debug = yes", "debug = no"), "file": "config.ini"},
        ),
        ("change 8080 to 9090 in settings.json", {"how": ("replace", "8080", "9090"), "file": "settings.json"}),
        ("remove the line 'call Bob' from notes.txt", {"how": ("drop", "call Bob"), "file": "notes.txt"}),
        (
            "create a file todo.txt in Documents with the text 'one thing'",
            {"how": ("write", "one thing"), "target": "todo.txt", "places": ("Documents",)},
        ),
        (
            "write a note called idea.txt: a boat with wheels",
            {"how": ("write", "a boat with wheels"), "target": "idea.txt"},
        ),
        (
            "create an empty file list.txt in Documents",
            {"how": ("write", ""), "target": "list.txt", "places": ("Documents",)},
        ),
    ],
    Action.ZIP: [
        ("Zip my Downloads/work folder", {"places": ("Downloads/work",)}),
        ("zip Downloads", DL),
        ("zip the folder work in Documents", {"places": ("Documents/work",)}),
        ("compress the Documents folder", DOC),
        ("zip ~/Downloads/work", {"places": ("~/Downloads/work",)}),
        ("zip everything in Downloads", DL),
        ("make a zip of the PDFs in Documents", {**DOC, **PDF}),
        ("put the photos in Downloads into a zip file called holiday", {**DL, "kind": "image", "target": "holiday"}),
        ("Please zip the 5 largest files in Downloads", {**DL, **LARGEST, "count": 5}),
        ("zip up the two largest videos", {"kind": "video", **LARGEST, "count": 2}),
        ("can you zip report.pdf and call it x", {"file": "report.pdf", "target": "x"}),
        ("create a zip archive called backup.zip from my Documents", {**DOC, "target": "backup.zip"}),
        ("archive the csv files in Downloads as numbers.zip", {**DL, **CSV, "target": "numbers.zip"}),
        ("zip the photos from last month", {"kind": "image", "since": at(2026, 10, 1), "until": at(2026, 11, 1)}),
        ("pack files larger than 10 MB in Downloads into an archive", {**DL, "minimum_bytes": 10_000_000}),
        ("bundle the PDFs in Documents together", {**DOC, **PDF}),
    ],
    Action.UNZIP: [
        ("unzip fonts.zip", {"file": "fonts.zip"}),
        ("extract the files from archive.zip", {"file": "archive.zip"}),
        ("Can you unpack the newest zip in Downloads?", {**DL, "kind": "archive", "sort": Sort.NEWEST}),
        ("unzip the zip file in Downloads", {**DL, "kind": "archive"}),
        ("unpack fonts.zip into its own folder", {"file": "fonts.zip"}),
    ],
    Action.RENAME: [
        ("rename all files in Downloads to lowercase", {**DL, "how": ("case", "lower")}),
        ("make the file names in Downloads upper case", {**DL, "how": ("case", "upper")}),
        ("rename report.pdf to final.pdf", {"file": "report.pdf", "how": ("name", "final.pdf")}),
        ("rename invoice.pdf invoice-2026.pdf", {"file": "invoice.pdf", "how": ("name", "invoice-2026.pdf")}),
        ("Rename report.pdf to “Annual report”", {"file": "report.pdf", "how": ("name", "Annual report")}),
        (
            "rename the photos in Downloads to holiday 001, holiday 002, ...",
            {**DL, "kind": "image", "how": ("template", "holiday {nnn}")},
        ),
        ("rename the pictures in Downloads to 'trip-##'", {**DL, "kind": "image", "how": ("template", "trip-{nn}")}),
        ("rename the PDFs in Documents as scan {n}", {**DOC, **PDF, "how": ("template", "scan {n}")}),
        ("rename the photos in Downloads to trip", {**DL, "kind": "image", "how": ("name", "trip")}),
        ("replace spaces with underscores in the file names in Downloads", {**DL, "how": ("replace", " ", "_")}),
        (
            "Replace 'IMG_' with 'holiday-' in the names of the photos in Downloads",
            {**DL, "kind": "image", "how": ("replace", "IMG_", "holiday-")},
        ),
        ("in the file names in Downloads, replace dashes with dots", {**DL, "how": ("replace", "-", ".")}),
        (
            "rename the csv files in Documents by replacing draft with final",
            {**DOC, **CSV, "how": ("replace", "draft", "final")},
        ),
        (
            "remove 'copy of ' from the names of the files in Documents",
            {**DOC, "how": ("replace", "copy of ", "")},
        ),
        (
            "add '2026-' to the beginning of the names of the PDFs in Documents",
            {**DOC, **PDF, "how": ("prefix", "2026-")},
        ),
        ("add the date in front of the file names in Downloads", {**DL, "how": ("prefix", "{date} ")}),
        ("prefix the pdfs in Downloads with old-", {**DL, **PDF, "how": ("prefix", "old-")}),
        ("add -old to the end of the names of the PDFs in Documents", {**DOC, **PDF, "how": ("suffix", "-old")}),
        (
            "change the extension of the .jpeg files in Downloads to jpg",
            {**DL, "kind": ".jpeg", "how": ("ending", ".jpg")},
        ),
        ("number the photos in Downloads", {**DL, "kind": "image", "how": ("prefix", "{n} ")}),
    ],
    Action.SORT: [
        ("sort my downloads into folders by type", {"places": ("downloads",), "how": ("type",)}),
        ("organise my Downloads", {**DL, "how": ("type",)}),
        ("organize Downloads by month", {**DL, "how": ("month",)}),
        ("Please tidy up my Documents folder by type", {**DOC, "how": ("type",)}),
        ("Sort the files in Downloads into folders by date", {**DL, "how": ("month",)}),
        ("put the photos in Downloads into folders by year", {**DL, "kind": "image", "how": ("year",)}),
        ("sort the pictures in Downloads by month into folders", {**DL, "kind": "image", "how": ("month",)}),
        ("group Downloads by extension", {**DL, "how": ("ending",)}),
        ("sort Downloads into subfolders", {**DL, "how": ("type",)}),
        ("move the files in Downloads into folders by kind", {**DL, "how": ("type",)}),
        ("put the files in Downloads into a folder for each day", {**DL, "how": ("day",)}),
        ("organize the files in my downloads folder", {"places": ("downloads",), "how": ("type",)}),
    ],
    Action.CONVERT: [
        ("convert report.docx to text", {"file": "report.docx", "how": ("text", "")}),
        ("extract text from report.pdf", {"file": "report.pdf", "how": ("text", "")}),
        (
            "extract the text from contract.pdf to a file called words.txt",
            {"file": "contract.pdf", "how": ("text", ""), "target": "words.txt"},
        ),
        ("convert budget.xlsx to csv", {"file": "budget.xlsx", "how": ("csv", "")}),
        ("turn the spreadsheet in Documents into a csv", {**DOC, "kind": "spreadsheet", "how": ("csv", "")}),
        ("export the sheet Q3 of budget.xlsx as csv", {"file": "budget.xlsx", "how": ("csv", "Q3")}),
        ("convert the Q3 sheet of budget.xlsx to csv", {"file": "budget.xlsx", "how": ("csv", "Q3")}),
        (
            "save the text of the newest PDF in Downloads as notes.txt",
            {**DL, **PDF, "sort": Sort.NEWEST, "how": ("text", ""), "target": "notes.txt"},
        ),
        ("convert all PDFs in Documents to text", {**DOC, **PDF, "how": ("text", "")}),
        ("convert slides.pptx to a text file", {"file": "slides.pptx", "how": ("text", "")}),
        ("make a text file from report.docx", {"file": "report.docx", "how": ("text", "")}),
        ("convert budget.xlsx to numbers.csv", {"file": "budget.xlsx", "how": ("csv", ""), "target": "numbers.csv"}),
    ],
    Action.UNDO: [
        (text, {})
        for text in (
            "undo that",
            "undo",
            "Undo it please",
            "please undo the last change",
            "can you undo what you just did?",
            "put it back",
            "put them back where they were",
            "put everything back the way it was",
            "revert that",
            "roll that back",
            "reverse that",
            "take that back",
            "I want that undone",
            "undo the rename",
            "undo the sorting",
            "restore the old names",
            "oops, undo that",
            "now undo all of that",
        )
    ],
}
CASES = [(text, action, said) for action, cases in UNDERSTOOD.items() for text, said in cases]


@pytest.mark.parametrize(("text", "action", "said"), CASES, ids=[text for text, _, _ in CASES])
def test_a_phrasing_is_understood(text: str, action: Action, said: dict[str, Any]) -> None:
    parsed = parse(text, now=NOW, folders=FOLDERS)

    assert (parsed.action, parsed.slots, parsed.left, parsed.wants) == (action, said, (), None)


@pytest.mark.parametrize(
    "text",
    [
        "Please could you {}?", "hey, can you {} for me please", "I'd like you to {}", "{}, thanks!", "   {}   ",
        "would you kindly {}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("request_", ["list the 3 largest PDFs in Documents", "search for 'foo bar' in Documents"])
def test_politeness_changes_nothing(text: str, request_: str) -> None:
    plain = parse(request_, now=NOW, folders=FOLDERS)
    polite = parse(text.format(request_), now=NOW, folders=FOLDERS)

    assert (polite.action, polite.slots, polite.left) == (plain.action, plain.slots, ())


@pytest.mark.parametrize("text", [text for text, _, _ in CASES if '"' not in text and "'" not in text])
def test_capitals_change_nothing(text: str) -> None:
    lower = parse(text.lower(), now=NOW, folders=FOLDERS)
    upper = parse(text.upper(), now=NOW, folders=FOLDERS)

    assert upper.action is lower.action


@pytest.mark.parametrize(
    "text",
    [
        "what's the weather",
        "who won the world cup",
        "tell me a joke",
        "what is the largest planet?",
        "what is 2+2",
        "compare sales.csv and orders.csv",
        "what time is it",
        "asdf qwer",
        "",
        "find the largest prime",
        "how many people live in France?",
        "is it raining",
        "42 is the answer to what",
        "how much space is left on my disk?",
        "please frobnicate notes.txt",
        "asdf qwer notes.txt",
    ],
)
def test_what_is_not_understood_is_never_guessed(text: str) -> None:
    parsed = parse(text, now=NOW, folders=FOLDERS)

    assert not (parsed.understood and parsed.action is not None)


@pytest.mark.parametrize(
    ("text", "wants"),
    [
        ("find the largest files and delete them", FILE_CHANGES),
        ("delete the second column of prices.csv", FILE_CHANGES),
        ("delete the duplicates in Downloads", FILE_CHANGES),
        ("convert report.docx to pdf", FILE_CHANGES),
        ("open the browser and go to example.com", ANOTHER_AGENT),
        ("send an email to bob", ANOTHER_AGENT),
        ("find the newest pdf and email it to bob", ANOTHER_AGENT),
        ("write a python script that prints hello", ANOTHER_AGENT),
        ("run the tests", ANOTHER_AGENT),
        ("git status", ANOTHER_AGENT),
        ("book a flight to Paris", ANOTHER_AGENT),
        ("take a screenshot", ANOTHER_AGENT),
        ("search the web for cats", ANOTHER_AGENT),
        ("check the weather", ANOTHER_AGENT),
        ("remind me to call mum tomorrow", ANOTHER_AGENT),
    ],
)  # fmt: skip
def test_what_needs_another_agent_is_told_apart(text: str, wants: str) -> None:
    assert parse(text, now=NOW, folders=FOLDERS).wants == wants


@pytest.mark.parametrize(
    ("text", "said", "pick"),
    [
        ("and the second one?", {}, 2),
        ("the third one please", {}, 3),
        ("and the last one?", {}, -1),
        ("number 2", {}, 2),
        ("2", {}, 2),
        ("#3", {}, 3),
        ("the other one", {}, OTHER),
        ("and the next one?", {}, NEXT),
        ("list instead", {"style": Style.LIST}, None),
        ("table please", {"style": Style.TABLE}, None),
        ("reverse the order", {}, None),
        ("show more", {}, None),
        ("now as a table", {"style": Style.TABLE}, None),
        ("as a list", {"style": Style.LIST}, None),
        ("Can you put that in a table?", {"style": Style.TABLE}, None),
        ("make it a table", {"style": Style.TABLE}, None),
        ("top 10 instead", {"count": 10}, None),
        ("show 20", {"count": 20}, None),
        ("only the PDFs", {"kind": "pdf"}, None),
        ("what about Documents?", {"places": ("Documents",)}, None),
        ("and in Documents?", {"places": ("Documents",)}, None),
        ("same for Documents", {"places": ("Documents",)}, None),
        ("sort by date", {"sort": Sort.NEWEST}, None),
        ("now sort them by size", {"sort": Sort.LARGEST}, None),
        ("and since Monday?", {"since": at(2026, 11, 16)}, None),
    ],
)  # fmt: skip
def test_a_follow_up_has_no_action_of_its_own(text: str, said: dict[str, Any], pick: int | None) -> None:
    parsed = parse(text, now=NOW, folders=FOLDERS)

    assert (parsed.action, parsed.slots, parsed.pick, parsed.left) == (None, said, pick, ())


@pytest.mark.parametrize(
    ("text", "action", "said", "pick"),
    [
        ("zip those", Action.ZIP, {}, 0),
        ("zip them up", Action.ZIP, {}, 0),
        ("and zip it", Action.ZIP, {}, 0),
        ("Zip those and call it letters.zip", Action.ZIP, {"target": "letters.zip"}, 0),
        ("bundle them into a zip", Action.ZIP, {}, 0),
        ("zip the second one", Action.ZIP, {}, 2),
        ("zip the first two", Action.ZIP, {"count": 2}, None),
        ("unzip it", Action.UNZIP, {}, 0),
        ("rename it to summary.txt", Action.RENAME, {"how": ("name", "summary.txt")}, 0),
        ("rename those to trip {n}", Action.RENAME, {"how": ("template", "trip {n}")}, 0),
        ("rename the second one to 'Lease 2026.pdf'", Action.RENAME, {"how": ("name", "Lease 2026.pdf")}, 2),
        ("convert it to text", Action.CONVERT, {"how": ("text", "")}, 0),
        ("convert the last one to csv", Action.CONVERT, {"how": ("csv", "")}, -1),
        ("sort them into folders by year", Action.SORT, {"how": ("year",)}, 0),
    ],
)  # fmt: skip
def test_a_change_may_be_of_what_was_answered(
    text: str, action: Action, said: dict[str, Any], pick: int | None
) -> None:
    parsed = parse(text, now=NOW, folders=FOLDERS)

    assert (parsed.action, parsed.slots, parsed.pick, parsed.left) == (action, said, pick, ())
