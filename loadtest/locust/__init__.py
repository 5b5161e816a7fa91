"""Load as stores make it: registers, systems that resolve and a stream of events, by the clock, against the whole service."""
