"""Client of Goldthread: who is this customer, and what happened. `Client` is for threads, `AsyncClient` for asyncio."""

from __future__ import annotations

from goldthread_client.aio import AsyncClient
from goldthread_client.client import Client
from goldthread_client.connection import Connection
from goldthread_client.errors import (
    BusyError,
    ConflictError,
    DeadlineError,
    GoldthreadError,
    InvalidRequestError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
    ServerError,
    UnavailableError,
    Violation,
)
from goldthread_client.identifiers import (
    IDENTIFIER_KINDS,
    cookie,
    crm_number,
    device,
    email,
    identifier,
    loyalty_card,
    phone,
    webshop_number,
)

__all__ = [
    "IDENTIFIER_KINDS",
    "AsyncClient",
    "BusyError",
    "Client",
    "ConflictError",
    "Connection",
    "DeadlineError",
    "GoldthreadError",
    "InvalidRequestError",
    "NotAllowedError",
    "NotFoundError",
    "RefusedError",
    "ServerError",
    "UnavailableError",
    "Violation",
    "cookie",
    "crm_number",
    "device",
    "email",
    "identifier",
    "loyalty_card",
    "phone",
    "webshop_number",
]
