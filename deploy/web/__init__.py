"""The web phone's own origin: the files of its bundle and nothing else. Knows no service and has no data."""
