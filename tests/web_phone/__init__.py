"""The web phone in a real browser, against the real services and a real host. `.ci/run` builds it and names this folder."""
