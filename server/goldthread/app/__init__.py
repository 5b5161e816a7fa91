"""Settings, wiring, lifecycle and the command line: the only package that reads the environment and builds objects."""
