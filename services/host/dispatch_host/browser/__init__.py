"""Real web pages for agents: Chromium in a sandbox of its own, without a network; the host dials for it. docs/browser.md.

`Browser` is made once by the wiring; `Sessions` gives each task its own. Knows no link, no journal and no model. Nothing is
imported here: `worker` is of this package, too, and runs in the sandbox with Playwright and little else.
"""
