"""Statements of a switch to another match model."""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

from goldthread.domain.errors import ModelFileError
from goldthread.domain.survivorship import Survivorship, survivorship_of
from goldthread.ledger.bounded import bound_waits
from goldthread.ledger.statements import Later, Statements, later

__all__ = ["ModelInUse", "RemodelStatements"]


class ModelInUse(NamedTuple):
    """The rules of a ledger: surrogate of the match model in use, and the survivorship policy in force."""

    model_id: int
    survivorship: Survivorship


class RemodelStatements(Statements):
    """Which match model is in use, and how far a switch to it has come."""

    _survivorship = ""

    def model_id(self, *, version: str, sha256: bytes, body: str) -> int:
        """Surrogate of the match model in use, taking it into use where none is.

        Raises `ModelFileError` if another one is in use, or the version was used with another content.
        """
        return self.ask_model(version=version, sha256=sha256, body=body)()

    def ask_model(self, *, version: str, sha256: bytes, body: str) -> Later[int]:
        """The same, asked now and seen to later: one statement once the model is in use."""
        found = self._ask("find_model", version=version)
        return lambda: self._model(found(), version=version, sha256=sha256, body=body)

    def _model(self, found: list[tuple[Any, ...]], *, version: str, sha256: bytes, body: str) -> int:
        if not found or not found[0][2]:
            if not self._rows("any_model"):
                self._register(version=version, sha256=sha256, body=body, known=bool(found))
                self._run("claim_model", version=version)
            # Again: since the first look somebody else may have taken this one into use, or another.
            found = self._rows("find_model", version=version)
            if not found or not found[0][2]:
                raise ModelFileError(
                    "the ledger is scored by another match model, and scores of two do not mix",
                    metadata={"version": version},
                )
        self._survivorship = str(found[0][3])
        return _checked(found, version=version, sha256=sha256)

    def ask_model_in_use(self, *, version: str, sha256: bytes, body: str) -> Later[ModelInUse]:
        """The same with the survivorship policy in force: what looks decide by."""
        return later(
            self.ask_model(version=version, sha256=sha256, body=body),
            lambda model_id: ModelInUse(model_id, survivorship_of(self._survivorship)),
        )

    def survivorship(self) -> Survivorship:
        """The survivorship policy in force."""
        rows = self._rows("survivorship")
        return survivorship_of(rows[0][0] if rows else "")

    def set_survivorship(self, text: str) -> None:
        """Puts a policy in force; a match model must be in use."""
        self._run("set_survivorship", text=text)

    def begin_remodel(self, *, version: str, sha256: bytes, body: str) -> bool:
        """Takes another model into use and forgets every blocking key; False if it is in use already. Needs `own_evidence`."""
        found = self._rows("find_model", version=version)
        self._register(version=version, sha256=sha256, body=body, known=bool(found))
        found = self._rows("find_model", version=version)
        model_id = _checked(found, version=version, sha256=sha256)
        if found[0][2]:
            return False
        bound_waits(self._connection, inf)
        self._run("no_statement_limit")
        self._run("claim_model", version=version)
        self._run("begin_remodel", model_id=model_id)
        self._run("forget_record_blocks")
        self._run("forget_blocks")
        return True

    def remodel_progress(self, *, hold: bool = False) -> tuple[int | None, int | None]:
        """Next record and next token of a switch under way, None each once done; `hold` keeps others from the page."""
        [(record_id, token_id)] = self._rows("lock_remodel" if hold else "remodel_progress") or [(None, None)]
        return record_id, token_id

    def ask_records_hung(self) -> Later[int | None]:
        """The record from which on a switch under way has yet to hang blocking keys; None if none is under way."""
        return later(self._ask("remodel_progress"), lambda rows: rows[0][0] if rows else None)

    def page_records(self, start: int, limit: int) -> list[int]:
        """Records from `start` on, withdrawn ones included."""
        return [row[0] for row in self._rows("page_records", start=start, limit=limit)]

    def page_tokens(self, start: int, limit: int) -> list[int]:
        """Tokens from `start` on."""
        return [row[0] for row in self._rows("page_tokens", start=start, limit=limit)]

    def move_remodel(self, next_record: int | None, next_token: int | None) -> None:
        """Writes down how far the switch has come."""
        self._run("move_remodel", next_record=next_record, next_token=next_token)

    def _register(self, *, version: str, sha256: bytes, body: str, known: bool) -> None:
        # Only if it is not known: an insert that finds a conflict still draws from the identity's sequence.
        if not known:
            self._run("register_model", version=version, sha256=sha256, body=body)


def _checked(found: list[tuple[Any, ...]], *, version: str, sha256: bytes) -> int:
    [(model_id, stored, *_)] = found
    if bytes(stored) != sha256:
        raise ModelFileError("the ledger knows this model version with another content", metadata={"version": version})
    return int(model_id)
