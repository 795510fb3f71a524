"""Sign-in at a provider (OpenID Connect). `device` and `web` are the two ways; `provider` is the line to it, the rest is pure.

docs/operations.md "A provider of sign-ins" is for the operator, docs/pairing.md "Sign-in at a provider" says what is checked.
"""
