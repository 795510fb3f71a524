"""Files between the two devices of a pairing: what names one, one that is arriving, and the two ends of a transfer.

Used by host and phone. docs/files.md tells it as a story, docs/encryption.md "Files" has the bytes. Knows no journal and no
task; the relay knows none of this.

Import the modules: what names a file is pure, and the ends of a transfer bring gRPC along.
"""
