"""The version of the five distributions, which both apps state to the services. `make release` changes it."""

APP_VERSION = "0.1.0"
PROTOCOL_VERSIONS = (1,)
