"""Skills: folders with instructions for a language model, and with files and scripts for them. docs/skills.md.

`front_matter` is pure, `shelf` finds and reads, `skills` is the toolbox. Scripts run in the sandbox, each approved as it is.
"""
