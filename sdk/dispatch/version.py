"""The version that both apps state to the services."""

APP_VERSION = "0.1.0"
PROTOCOL_VERSIONS = (1,)
