"""One process that orders, stores and serves a ledger."""

import os

# gRPC reads it when it is imported: what it would print besides, the node says itself, in one line.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
