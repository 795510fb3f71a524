"""The phone as a screen: windows on the same desk that the commands speak to. docs/phone.md, "On a screen"."""
