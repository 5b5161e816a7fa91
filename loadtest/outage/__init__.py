"""Lookups while the cache is away: `make storm-outage`."""
