"""The protocol in TypeScript against the Python code. `.ci/run` installs what it is made of and runs this folder."""
