"""`python -m bench.capacity` is `stagedoor bench capacity`."""

import sys

from bench.command import app

if __name__ == "__main__":
    app(["capacity", *sys.argv[1:]], prog_name="python -m bench.capacity")
