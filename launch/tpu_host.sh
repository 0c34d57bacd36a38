#!/usr/bin/env bash
# launch/tpu_host.sh COMMAND   the part of launch/tpu_vm.sh that runs on each TPU host, in its home.
#
#   setup REVISION  makes the environment in fsketch-venv and prints the devices
#   mark WORKDIR WORD, check WORKDIR WORD   check that all hosts see the same workdir
#   start CMD...    starts CMD, detached, with its output in fsketch-runs/run.log; one at a time
#   watch CMD...    the process that start detaches
#   status          "none", "running PID" or "ended EXIT_CODE"
#   stop            SIGTERM to CMD
set -euo pipefail

cd ~/fsketch
lock=$HOME/fsketch.lock pid_file=$HOME/fsketch.pid code_file=$HOME/fsketch.code
revision_file=$HOME/fsketch.revision log=$HOME/fsketch-runs/run.log
workdir=${FSKETCH_WORKDIR:-} bucket=${FSKETCH_BUCKET:-}
export FSKETCH_VENV=$HOME/fsketch-venv FSKETCH_EXTRAS=tpu PATH=$HOME/.local/bin:$PATH

die() {
  echo "$(hostname): $*" >&2
  exit 1
}

# A Python for fsketch.  Cloud TPU images have 3.10, which is too old; then uv fetches 3.11.
find_python() {
  if python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    command -v python3
  else
    uv --version >/dev/null 2>&1 || python3 -m pip install --quiet --user uv >&2
    uv python install --quiet 3.11 >&2
    uv python find 3.11
  fi
}

is_running() {
  ! flock -n "$lock" true
}

# Uploads the workdir as one object, so that the bucket always holds a whole one.  Links freeze the
# list of files; a checkpoint never changes once it has its name.
keep() {
  local snapshot=${workdir%/}.snapshot status=0
  rm -rf "$snapshot" "$snapshot.tar"
  cp -al "$workdir" "$snapshot" || return 1
  # Exit code 1 means that metrics.jsonl grew while it was read.
  tar -cf "$snapshot.tar" --exclude='*.orbax-checkpoint-tmp*' -C "$snapshot" . || status=$?
  [ "$status" -le 1 ] || return 1
  gcloud storage cp --no-user-output-enabled "$snapshot.tar" "$1" || return 1
  rm -rf "$snapshot" "$snapshot.tar"
}

# Restores the workdir, unless it is here.  Only a clear "not found" starts a new one.
restore() {
  local answer archive=${workdir%/}.snapshot.tar
  [ ! -e "$workdir/checkpoints" ] || return 0
  if answer=$(gcloud storage ls "$1" 2>&1); then
    mkdir -p "$workdir"
    gcloud storage cp --no-user-output-enabled "$1" "$archive"
    if ! tar -xf "$archive" -C "$workdir"; then
      rm -rf "$workdir/checkpoints"
      die "$1 cannot be unpacked"
    fi
    rm "$archive"
    echo "$(hostname): $workdir is restored from $1"
  elif [[ $answer != *"matched no objects"* ]]; then
    die "$1 cannot be looked up: $answer"
  fi
}

object=$bucket/${workdir#/}
object=${object%/}.tar
command=${1:-}
shift || true
case $command in
  setup)
    echo "$1" >"$revision_file"
    PYTHON=$(find_python)
    export PYTHON
    launch/local.sh python -c 'import jax; print("jax", jax.__version__, jax.devices())'
    ;;
  mark)
    mkdir -p "$1"
    echo "$2" >"$1/.shared"
    ;;
  check)
    [ "$(cat "$1/.shared" 2>&1)" = "$2" ] || die "--workdir: expected host 0's folder, got another $1"
    ;;
  start)
    ! is_running || die "a run is in progress: use launch/tpu_vm.sh stop, or logs"
    [ -z "$bucket" ] || restore "$object"
    rm -f "$code_file"
    setsid nohup bash launch/tpu_host.sh watch "$@" >>"$log" 2>&1 </dev/null &
    for _ in {1..100}; do
      if is_running || [ -e "$code_file" ]; then
        echo "$(hostname): started; launch/tpu_vm.sh logs -f follows it"
        exit
      fi
      sleep 0.1
    done
    die "not started: see launch/tpu_vm.sh logs"
    ;;
  watch)
    exec 9>"$lock"
    flock -w 5 9 || die "a run is in progress"  # is_running also locks it for a moment
    echo "$(date -u +%FT%TZ) $(hostname) $(cat "$revision_file"):$(printf ' %q' "$@")"
    PYTHON=$(find_python)
    export PYTHON
    launch/local.sh "$@" 9>&- &
    child=$!
    echo "$child" >"$pid_file"
    seconds=$((${FSKETCH_SAVE_MIN:-10} * 60)) saved=$SECONDS
    while kill -0 "$child" 2>/dev/null; do
      sleep 1 9>&-
      if [ -n "$bucket" ] && [ -e "$workdir" ] && [ $((SECONDS - saved)) -ge "$seconds" ]; then
        keep "$object" || echo "$workdir was not saved this time"
        saved=$SECONDS
      fi
    done
    code=0
    wait "$child" || code=$?
    if [ -n "$bucket" ] && [ -e "$workdir" ]; then
      if keep "$object"; then echo "$workdir is saved as $object"; else echo "$workdir was not saved"; fi
    fi
    echo "ended $code" | tee "$code_file"
    ;;
  status)
    if is_running; then
      echo "running $(cat "$pid_file")"
    else
      cat "$code_file" 2>/dev/null || echo none
    fi
    ;;
  stop)
    is_running || die "nothing runs"
    kill -TERM "$(cat "$pid_file")"
    echo "$(hostname): stopping"
    ;;
  *) die "unknown command: $command" ;;
esac
