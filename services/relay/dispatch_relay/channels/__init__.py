"""Channels: how a front carries a stream to the relay that has the seat of its pairing. docs/scale.md "Between relays"."""
