"""Quality of matching on labelled people: every set, with every system, in one table. `python -m loadtest.quality --help` says how."""
