#!/usr/bin/env bash
# Makes .venv with Stagedoor in it; with "test", adds what tests and checks need. Brings the Debian packages
# that it may install (as root, or by sudo without a password) and otherwise prints the command that would.
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-run}
venv=.venv

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
  command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

apt_updated=no
apt_install() { # apt_install PACKAGE...: installs those that are missing; fails if it may not
  local missing=() package
  for package in "$@"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return 0
  may_install || { say "Missing Debian packages. To add them: sudo apt-get install ${missing[*]}"; return 1; }
  say "Installing ${missing[*]}"
  local log; log=$(mktemp)
  if [ $apt_updated = no ]; then as_root apt-get update -qq >"$log" 2>&1 || cat "$log" >&2; apt_updated=yes; fi
  if ! as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
    cat "$log" >&2; rm -f "$log"
    say "apt-get could not install ${missing[*]}"
    return 1
  fi
  rm -f "$log"
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      command -v "$candidate"; return
    fi
  done
  say "Stagedoor needs Python 3.11, 3.12 or 3.13; give its path as PYTHON=..."
  exit 1
}

make_venv() {
  [ -x $venv/bin/python ] && $venv/bin/python -c '' 2>/dev/null && return
  local python; python=$(find_python)
  rm -rf $venv
  if command -v uv >/dev/null && uv venv --quiet --python "$python" $venv 2>/dev/null; then return; fi
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    local version; version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    apt_install "python$version-venv" || apt_install python3-venv \
      || { say "This Python has no venv module. Add it (Debian: python3-venv), then run make again."; exit 1; }
  fi
  "$python" -m venv $venv
}

pip_install() { # pip_install ARG...
  if command -v uv >/dev/null && VIRTUAL_ENV=$venv uv pip install --quiet "$@" 2>/dev/null; then return; fi
  if ! $venv/bin/python -m pip --version >/dev/null 2>&1; then $venv/bin/python -m ensurepip --default-pip >/dev/null; fi
  # Dependency groups (PEP 735) need pip 25.1.
  $venv/bin/python -c 'import sys, pip; sys.exit(tuple(map(int, pip.__version__.split(".")[:2])) < (25, 1))' \
    || $venv/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
  $venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"
}

case $purpose in
  run)
    say "Installing Stagedoor into $venv"
    make_venv
    pip_install --editable .
    apt_install apertium-eng-spa flite || say "Without them: no Spanish, and one voice less. All else works."
    ;;
  test)
    say "Installing what the tests need"
    pip_install --group dev --editable .
    # The Node that Playwright and the page checks bring along wants libatomic, which a bare system lacks.
    apt_install chromium libatomic1 || say "Without Chromium the tests of the pages are skipped."
    if [ -f package.json ]; then
      PATH="$PWD/$venv/bin:$PATH" deploy/npm.sh
    fi
    ;;
  *) say "usage: $0 run|test"; exit 2 ;;
esac
