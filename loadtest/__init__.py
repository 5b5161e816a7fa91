"""Load and proof runs that take minutes: figures and verdicts, outside the tests. Each names its own limits and prints what it measured."""
