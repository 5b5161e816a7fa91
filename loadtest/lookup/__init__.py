"""Lookups at full speed beside servers that do less: `make bench-lookup`."""
