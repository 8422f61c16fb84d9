"""`python -m bench` is `stagedoor bench`."""

import sys

from bench.command import app


def main() -> None:
    """Run the command; Ctrl-C ends it quietly."""
    if not sys.platform.startswith("linux"):
        sys.exit("bench: this measures with epoll and /proc, which only Linux has")
    try:
        app(prog_name="python -m bench")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
