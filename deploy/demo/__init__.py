"""The demo: the whole of Dispatch on one machine, driven through the command lines that a person would use."""
