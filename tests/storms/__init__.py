"""Storms: many writers on one ledger at once, and writers killed in the middle of it. The tests run a small form; `python -m storms` a large one."""
