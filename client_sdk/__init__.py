"""The enterprise's, auditor's and consumer's side: signed acts in, verified receipts and proofs out."""

from client_sdk import build
from client_sdk.async_client import AsyncClient
from client_sdk.client import Client
from client_sdk.nodes import Nodes
from client_sdk.outbox import Outbox

__all__ = ["AsyncClient", "Client", "Nodes", "Outbox", "build"]
