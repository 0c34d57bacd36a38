#!/usr/bin/env bash
# launch/local.sh CMD...   runs CMD in fsketch's environment, made once in .venv beside setup.cfg.
#
# The environment is made again when setup.cfg, pyproject.toml or the constraint file changes.
# Works from any folder; CMD runs in the current folder.  For Linux.
#   FSKETCH_VENV         folder of the environment (default: .venv in the repository)
#   FSKETCH_CONSTRAINTS  pip constraint file (default: launch/constraints-newest.txt on Python 3.11,
#                        none on other versions)
#   FSKETCH_EXTRAS       extras to install (default: test; for example test,cuda or test,tpu)
#   PYTHON               the interpreter for the environment (default: python3)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${FSKETCH_VENV:-$root/.venv}
extras=${FSKETCH_EXTRAS:-test}
python=${PYTHON:-python3}

if [ $# -eq 0 ]; then
  sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 2
fi

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ -n "${FSKETCH_CONSTRAINTS:-}" ]; then
  constraints=$FSKETCH_CONSTRAINTS
elif [ "$version" = 3.11 ]; then
  constraints=$root/launch/constraints-newest.txt
else
  constraints=/dev/null
fi

# One process at a time makes the environment; the stamp is written last.
stamp=$venv/.fsketch-stamp
wanted=$(cat "$root/setup.cfg" "$root/pyproject.toml" "$constraints" \
  <(echo "$root $version $extras") | sha256sum)
mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  echo "local.sh: making the environment in $venv (Python $version, extras: $extras)" >&2
  if [ -e "$venv" ] && [ ! -e "$stamp" ] && [ ! -e "$venv/pyvenv.cfg" ] && [ -n "$(ls -A "$venv")" ]; then
    echo "local.sh: FSKETCH_VENV: expected an environment or an empty folder, got other files in $venv" >&2
    exit 1
  fi
  rm -rf "$venv"
  if uv --version >/dev/null 2>&1; then
    uv venv --quiet --python "$python" "$venv"
    uv pip install --quiet --python "$venv/bin/python" \
      --constraint "$constraints" --editable "${root}[$extras]"
  else
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
      --constraint "$constraints" --editable "${root}[$extras]"
  fi
  echo "$wanted" >"$stamp"
  echo "local.sh: done" >&2
fi
flock -u 9
exec 9>&-

export VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH
exec "$@"
