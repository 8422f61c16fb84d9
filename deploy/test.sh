#!/usr/bin/env bash
# Runs the tests, with the arguments of pytest: most of them side by side on two processors, a file at a time on
# each; then by themselves those that hold to a bound how much time or memory a process takes (marked "alone").
set -uo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
none=5 # pytest's word for: nothing to run

# In the order of tests/conftest.py: the short files come last, so that neither side waits long for the other.
$python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder "$@"
beside=$?
[ $beside = 0 ] || [ $beside = $none ] || [ $beside = 1 ] || exit $beside # interrupted, or not understood
$python -m pytest --alone "$@"
alone=$?
[ $alone = $none ] && exit $beside
[ $beside = $none ] && exit $alone
exit $((beside ? beside : alone))
