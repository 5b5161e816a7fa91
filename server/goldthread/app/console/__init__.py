"""Commands for people at a terminal: tables by default, `--json` for programs. They call the service as any client would."""
