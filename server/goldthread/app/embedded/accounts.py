"""The ordinary account under which PostgreSQL runs when Goldthread itself runs as root.

PostgreSQL refuses to run as root. We use an account that exists already, never add one, and never widen the permissions
of a directory that we did not make.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Account", "can_traverse", "ordinary_account"]

_PREFERRED = ("nobody", "daemon", "postgres")


@dataclass(frozen=True, kw_only=True)
class Account:
    """Names a system account by its ids."""

    name: str
    uid: int
    gid: int


def ordinary_account(*, owner: int | None = None) -> Account | None:
    """Gives the account to run PostgreSQL under, or None if we are not root and run it as ourselves.

    `owner` is the user id that owns an existing cluster: that account is kept. Raises LookupError if root finds no
    account besides its own.
    """
    if os.geteuid() != 0:
        return None
    entries = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    if owner is not None:
        matching = [entry for entry in entries.values() if entry.pw_uid == owner]
        if not matching:
            raise LookupError(f"user id {owner}, which owns the cluster, has no account on this machine")
        chosen = matching[0]
    else:
        named = [entries[name] for name in _PREFERRED if name in entries]
        others = sorted(entries.values(), key=lambda entry: entry.pw_uid)
        if not (named or others):
            raise LookupError("there is no account besides root")
        chosen = (named or others)[0]
    return Account(name=chosen.pw_name, uid=chosen.pw_uid, gid=chosen.pw_gid)


def can_traverse(directory: Path, account: Account | None, *, look: Callable[[Path], os.stat_result] = os.stat) -> bool:
    """Tells whether `account` may pass through `directory` and everything above it. None stands for ourselves.

    Reads permission bits only; supplementary groups are dropped when the server starts, so they do not count.
    """
    if account is None:
        return True
    for step in (directory, *directory.parents):
        try:
            found = look(step)
        except OSError:
            return False
        if found.st_uid == account.uid:
            needed = stat.S_IXUSR
        elif found.st_gid == account.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not found.st_mode & needed:
            return False
    return True
