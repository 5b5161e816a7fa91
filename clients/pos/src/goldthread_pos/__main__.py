"""`goldthread-pos`: a till in a terminal. GOLDTHREAD_TARGET and GOLDTHREAD_TOKEN say where the service is and who is asking."""

from __future__ import annotations

import argparse
import os

from goldthread_client import Client, Connection
from goldthread_pos.till import Till

__all__ = ["main"]


def main() -> None:
    """Runs the till until the cashier ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--target", default=os.environ.get("GOLDTHREAD_TARGET", "127.0.0.1:50051"), help="the service, host:port"
    )
    parser.add_argument("--store", default="S001", help="code of the store")
    parser.add_argument("--currency", default="USD", help="currency of its prices")
    arguments = parser.parse_args()
    connection = Connection(target=arguments.target, token=os.environ.get("GOLDTHREAD_TOKEN", ""))
    with Client(connection) as client:
        Till(client, arguments.store, arguments.currency, _ask, print).run()


def _ask(question: str) -> str:
    try:
        return input(f"{question}> ")
    except EOFError:
        return ""


if __name__ == "__main__":
    main()
