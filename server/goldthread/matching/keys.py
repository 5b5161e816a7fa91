"""The service's secrets, all derived from one master key."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from goldthread.domain.errors import SettingsError

__all__ = ["MASTER_KEY_BYTES", "Keys"]

MASTER_KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Keys of 32 bytes each: `token` for identifiers, `address` for record addresses (never rotated), `blocking`, `seal` for dead letters."""

    token: bytes = field(repr=False)
    address: bytes = field(repr=False)
    blocking: bytes = field(repr=False)
    seal: bytes = field(repr=False)
    version: int

    @classmethod
    def derive(cls, master: bytes, *, version: int = 1) -> Keys:
        """Derives every key from a master secret of 32 bytes by HMAC-SHA-256 (RFC 5869's expand step with one block per purpose).

        Raises `SettingsError` for another length. The address key does not depend on `version`.
        """
        if len(master) != MASTER_KEY_BYTES:
            raise SettingsError("master_key", f"must be {MASTER_KEY_BYTES} bytes")

        def expand(purpose: str) -> bytes:
            return hmac.new(master, f"goldthread {purpose}\x01".encode(), hashlib.sha256).digest()

        return cls(
            token=expand(f"token {version}"),
            address=expand("address"),
            blocking=expand("blocking"),
            seal=expand(f"dead letter {version}"),
            version=version,
        )

    @property
    def fingerprint(self) -> bytes:
        """32 bytes by which a ledger recognises the keys it was filled with; tells nothing of the keys themselves."""
        seal = hmac.new(self.token, b"fingerprint\x00" + self.address + self.blocking, hashlib.sha256)
        return seal.digest()
