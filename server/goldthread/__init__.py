"""Goldthread: real-time identity resolution for retail."""
