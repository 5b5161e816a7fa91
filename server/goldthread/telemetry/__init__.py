"""Metrics, logs and request context. The only importer of prometheus-client and structlog."""
