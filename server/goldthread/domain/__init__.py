"""Words, policy, errors and ports of Goldthread: pure Python, no library, no I/O."""
