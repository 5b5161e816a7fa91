"""Processor time of a process and of its children, those that have ended included."""

from __future__ import annotations

import subprocess
import sys

from loadtest.locust.processors import processor_seconds

WORK = """
import subprocess, sys
burn = "import time\\nwhile time.process_time() < 0.4: pass"
subprocess.run([sys.executable, "-c", burn], check=True)
print("done", flush=True)
sys.stdin.read()
"""


def test_children_count_even_after_their_end() -> None:
    with subprocess.Popen([sys.executable, "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        found = processor_seconds({"it": process.pid})
        # The kernel tells user's and system's time in whole ticks of a hundredth of a second, each rounded down.
        assert found["it"] >= 0.3
        process.communicate()
    assert processor_seconds({"it": process.pid}) == {"it": 0.0}
