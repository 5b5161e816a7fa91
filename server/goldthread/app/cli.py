"""The command line: `goldthread COMMAND`. Commands are loaded when they are called, so `--help` and small commands start fast."""

from __future__ import annotations

import importlib
import sys

import click

from goldthread.app.exits import DONE, FAILED, INTERRUPTED, exit_code_of
from goldthread.domain.errors import GoldthreadError

__all__ = ["COMMANDS", "cli", "main"]

COMMANDS = {
    "up": ("goldthread.app.commands:up", "Run everything on this machine, with embedded servers."),
    "serve": ("goldthread.app.commands:serve", "Answer gRPC calls: Lookup and Resolve."),
    "consume": ("goldthread.app.commands:consume", "Read customer events from Kafka into the ledger."),
    "relay": ("goldthread.app.commands:relay", "Publish committed changes to the cache and to Kafka."),
    "cache": ("goldthread.app.commands:cache", "Look after the card cache: rebuild it."),
    "remodel": ("goldthread.app.commands:remodel", "Switch the ledger to another match model."),
    "migrate": ("goldthread.app.commands:migrate", "Bring the ledger's schema up to date and create the topics."),
    "lookup": ("goldthread.app.console.customers:lookup", "Show the card of whoever an identifier belongs to."),
    "resolve": ("goldthread.app.console.customers:resolve", "Say what is known of a customer and show whose it is."),
    "profile": ("goldthread.app.console.profiles:profile", "Show what is known of a customer, now or in the past."),
    "explain": ("goldthread.app.console.profiles:explain", "Say why two are one person, or are not."),
    "reviews": ("goldthread.app.console.reviews:reviews", "Settle what the service could not decide."),
    "dead-letters": ("goldthread.app.console.letters:dead_letters", "Repair messages that could not be taken."),
    "produce": ("goldthread.app.produce:command", "Send a file's rows to Kafka as customer events."),
    "load": ("goldthread.app.load:command", "Take a file's rows into the ledger, without Kafka."),
    "generate": ("goldthread.app.generate:command", "Write synthetic retail customers with the truth."),
    "match": ("goldthread.app.match:command", "Resolve a file in memory, without any server."),
    "train": ("goldthread.app.train:command", "Learn a match model from files, without labels."),
    "evaluate": ("goldthread.app.evaluate:command", "Measure clusters against the truth, beside other tools."),
    "demo": ("goldthread.app.demo:command", "Run the whole line on real servers and report."),
}
"""Name: module and attribute, and the line shown in the list."""


class _Commands(click.Group):
    """A group that knows its commands by name and imports one when it is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the page above."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports and returns a command; None if there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{attribute} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="goldthread", prog_name="goldthread")
def cli() -> None:
    """Real-time identity resolution: events in, golden profiles out, answered at the register."""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit code (`goldthread.app.exits`).

    Errors raised on purpose become one line on standard error; any other one becomes one JSON line with its type and places, and never its
    text, which may quote what it was working on.
    """
    try:
        result = cli.main(args=arguments, prog_name="goldthread", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("goldthread: interrupted", err=True)
        return INTERRUPTED
    except GoldthreadError as error:
        details = " ".join(f"{name}={value}" for name, value in sorted(error.metadata.items()))
        click.echo(f"goldthread: {error.reason}: {error.message}{f' ({details})' if details else ''}", err=True)
        return exit_code_of(error)
    except Exception as error:  # noqa: BLE001 (the last stop before the interpreter, which would print the text)
        from goldthread.telemetry.logs import log_crash

        log_crash(error)
        return FAILED
    return result if isinstance(result, int) else DONE


if __name__ == "__main__":
    sys.exit(main())
