"""The sealed session: everything that phone and host say to each other passes through here, and no server imports it.

Pure: no transport, no store, no clock, no source of randomness. docs/encryption.md describes it byte by byte.
"""
