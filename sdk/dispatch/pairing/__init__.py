"""The ceremony that makes a phone and a host a pair, and the code that begins it. No server imports it.

Pure: no transport, no store, no clock, no source of randomness. docs/encryption.md "Pairing" describes it byte by byte.
"""
