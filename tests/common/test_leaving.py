"""A process that leaves at once still finishes what it has begun."""

import subprocess
import sys

PROGRAM = """
import atexit, sys, threading, time
from partlens.common.leaving import leave
atexit.register(lambda: print("finished"))
threading.Thread(target=time.sleep, args=(600,)).start()
print("begun")
print("wrong", file=sys.stderr)
leave(3)
"""


def test_output_and_exit_functions_are_not_lost_and_no_thread_holds_it_up() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 3
    assert (ended.stdout, ended.stderr) == ("begun\nfinished\n", "wrong\n")
