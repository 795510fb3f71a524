"""Backups of a program's folder: one file, taken while the program runs, and put back only when all of it is sound.

`archive` writes and reads the file, `commands` says on the command line what came of it. Called by the `store_backup` module of
each program. docs/backup.md is for the operator.
"""
