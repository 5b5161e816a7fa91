"""The stories: ingest, resolve, lookup, relay, match. They decide; the tools below them compute, remember and carry."""
