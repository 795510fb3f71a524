"""The host as a screen: what the commands say, again and again. docs/host.md, "Watching it"."""
