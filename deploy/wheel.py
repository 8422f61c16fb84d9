"""A build hook of hatchling: fetches the pages' third-party modules, so that the wheel contains them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Modules(BuildHookInterface):  # type: ignore[type-arg]
    """Runs deploy/modules.py; a wheel without them is better than none, so that a failure only warns."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch what is missing."""
        script = Path(self.root) / "deploy" / "modules.py"
        done = subprocess.run([sys.executable, str(script)], check=False)  # noqa: S603 - a file of our own
        if done.returncode:
            self.app.display_warning("The pages of this build are without rooms and plots.")
