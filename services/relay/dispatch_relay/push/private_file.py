"""Reads a file that holds a secret of the operator's: the VAPID key (`keys`), or the addresses of services (`services`)."""

from __future__ import annotations

from dispatch.secret_file import read

__all__ = ["read"]
