"""The doctor of both devices: walks the chain of links between a person and their agent and names the first that is broken.

`chain` is what a chain is (pure), `links` the links that phone and host share, `telling` how findings are said. Each device has its
own table of links in its own package. docs/doctor.md has them all.
"""
