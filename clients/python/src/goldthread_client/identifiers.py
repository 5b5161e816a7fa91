"""Identifiers as typed or scanned: the service normalises them and keeps neither the value nor a bare digest of it."""

from __future__ import annotations

from functools import partial

from goldthread_client.v1 import identity_pb2

__all__ = [
    "IDENTIFIER_KINDS",
    "cookie",
    "crm_number",
    "device",
    "email",
    "identifier",
    "loyalty_card",
    "phone",
    "webshop_number",
]

IDENTIFIER_KINDS = {
    "email": identity_pb2.IDENTIFIER_TYPE_EMAIL,
    "phone": identity_pb2.IDENTIFIER_TYPE_PHONE,
    "loyalty_card": identity_pb2.IDENTIFIER_TYPE_LOYALTY_CARD,
    "crm_number": identity_pb2.IDENTIFIER_TYPE_CRM_NUMBER,
    "webshop_number": identity_pb2.IDENTIFIER_TYPE_WEBSHOP_NUMBER,
    "device": identity_pb2.IDENTIFIER_TYPE_DEVICE,
    "cookie": identity_pb2.IDENTIFIER_TYPE_COOKIE,
}
"""Kinds by the names that files and command lines have for them."""


def identifier(kind: str, value: str, namespace: str = "") -> identity_pb2.Identifier:
    """An identifier of a kind of `IDENTIFIER_KINDS`; raises `ValueError` for any other kind.

    A namespace tells apart two loyalty programmes or the like; empty is the only one.
    """
    if kind not in IDENTIFIER_KINDS:
        raise ValueError(f"kind must be one of {', '.join(IDENTIFIER_KINDS)}")
    return identity_pb2.Identifier(type=IDENTIFIER_KINDS[kind], namespace=namespace, raw=value)


email = partial(identifier, "email")
phone = partial(identifier, "phone")
loyalty_card = partial(identifier, "loyalty_card")
crm_number = partial(identifier, "crm_number")
webshop_number = partial(identifier, "webshop_number")
device = partial(identifier, "device")
cookie = partial(identifier, "cookie")
