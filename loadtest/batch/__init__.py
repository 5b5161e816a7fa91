"""The batch engine at full size: 2.4 million generated retail records, ours against Splink on DuckDB, and what could break it."""
