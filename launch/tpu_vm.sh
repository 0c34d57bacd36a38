#!/usr/bin/env bash
# launch/tpu_vm.sh [--dry_run] COMMAND   runs fsketch on a Cloud TPU VM from your machine, by gcloud.
#
#   create          requests the TPU and waits for it; replaces a request that ended
#   setup           copies the tracked files as they are now, makes the environment on all hosts and
#                   prints the devices
#   run CMD...      starts CMD on all hosts in fsketch/, detached: a broken connection does not end it
#   persist CMD...  create, setup, run, and all of them again whenever the TPU is taken away
#   logs [-f]       shows the log of host 0 (of host N with WORKER=N); -f follows it
#   status          shows the state of the TPU, and of the run on each host
#   stop            saves and ends the run, as Ctrl-C does
#   fetch DIR [TO]  copies a folder of host 0, e.g. runs/kd, to this machine
#   delete          gives the TPU back.  It costs money until then, idle or not.
#
#   NAME     your name for the TPU                TYPE     e.g. v5litepod-8; for create
#   ZONE     e.g. us-west4-a                      PROJECT  default: gcloud's own
#   SPOT=1   cheaper, may be taken away any time  QUEUED=0 no queue: now or an error
#   RUNTIME  software version; default: by TYPE   HOSTS    their number; default: by gcloud
#   BUCKET   gs://BUCKET/FOLDER to save the workdir in, every SAVE_MIN=10 minutes and at the end
#   DRY_RUN=1, or --dry_run: prints the gcloud commands and runs none
#
#   export NAME=faces ZONE=us-west4-a TYPE=v5litepod-8 SPOT=1 BUCKET=gs://mine/fsketch
#   launch/tpu_vm.sh create && launch/tpu_vm.sh setup
#   launch/tpu_vm.sh run fsketch train --config=configs/kd.py --workdir=runs/kd \
#       --config.batch_size=8      # a multiple of the number of chips
#
# The same run command resumes, whatever ended the last run.  A TPU that is taken away loses its disk:
# on a new TPU, run first fetches the workdir from BUCKET, and the steps after the last save are
# repeated.  The TPU's service account must be allowed to write there.  A workdir gs://... is refused:
# the programs need a file system.
# Several hosts (v5litepod-16, v4-16 and larger): run adds --distributed to fsketch train, and the
# workdir must be a folder that all hosts see under one path, such as a mounted NFS share; run checks
# that.  BUCKET is then refused.
# None of this was run on a real TPU yet; the tests use a fake gcloud.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
poll_sec=${POLL_SEC:-30}

die() {
  echo "tpu_vm.sh: $*" >&2
  exit 1
}

say() {
  echo "tpu_vm.sh: $*" >&2
}

need() {
  local name
  for name in "$@"; do
    [ -n "${!name:-}" ] || die "$name: expected a value, got none; see launch/tpu_vm.sh without arguments"
  done
}

# gcloud compute tpus GROUP VERB ARGUMENTS..., in the zone and project; a dry run only prints it.
tpus() {
  local words=(gcloud compute tpus "$@" "--zone=$ZONE")
  [ -z "${PROJECT:-}" ] || words+=("--project=$PROJECT")
  if [ "$dry_run" = 1 ]; then
    printf '%q' "${words[0]}"
    printf ' %q' "${words[@]:1}"
    echo
  else
    "${words[@]}"
  fi
}

# Runs a command on hosts: on_hosts all|N WORDS...; the words arrive unchanged.
on_hosts() {
  local worker=$1
  shift
  local words
  words=$(printf '%q ' "$@")
  # shellcheck disable=SC2153  # NAME is the caller's
  tpus tpu-vm ssh "$NAME" "--worker=$worker" "--command=${words% }"
}

host=(bash fsketch/launch/tpu_host.sh)

runtime_of() {
  case $1 in
    v6e-*) echo v2-alpha-tpuv6e ;;
    v5p-*) echo v2-alpha-tpuv5 ;;
    v5litepod-*) echo v2-alpha-tpuv5-lite ;;
    v[234]-*) echo tpu-ubuntu2204-base ;;
    *) die "TYPE: expected v2-N, v3-N, v4-N, v5litepod-N, v5p-N or v6e-N, or RUNTIME set, got $1" ;;
  esac
}

# The state of the request or, without a queue, of the TPU; empty if it does not exist.
state() {
  local answer
  if answer=$(tpus "$group" describe "$NAME" "--format=value($state_field)" 2>&1); then
    echo "$answer" | tail -n 1
  elif [[ $answer != *NOT_FOUND* ]]; then
    echo "$answer" >&2
    return 1
  fi
}

create() {
  need TYPE
  local runtime now last=
  runtime=${RUNTIME:-$(runtime_of "$TYPE")}
  local options=("--accelerator-type=$TYPE")
  if [ "$group" = queued-resources ]; then
    options+=("--runtime-version=$runtime" "--node-id=$NAME")
  else
    options+=("--version=$runtime")
  fi
  [ "${SPOT:-0}" = 0 ] || options+=(--spot)
  if [ "$dry_run" = 1 ]; then
    tpus "$group" create "$NAME" "${options[@]}"
    tpus "$group" describe "$NAME" "--format=value($state_field)"
    return
  fi
  now=$(state)
  case $now in
    FAILED | SUSPENDED | PREEMPTED | TERMINATED)
      say "$NAME is $now: removing it"
      tpus "$group" delete "$NAME" --quiet
      now=
      ;;
  esac
  [ -n "$now" ] || tpus "$group" create "$NAME" "${options[@]}"
  while true; do
    now=$(state)
    [ "$now" = "$last" ] || say "$NAME is ${now:-gone}"
    last=$now
    case $now in
      ACTIVE | READY) break ;;
      FAILED | SUSPENDED | PREEMPTED | TERMINATED | '')
        die "$NAME was not created; try again, or in another ZONE"
        ;;
    esac
    sleep "$poll_sec"
  done
  say "$NAME is ready and costs money until: launch/tpu_vm.sh delete"
}

setup() {
  local revision tree archive
  revision=$(git -C "$root" describe --always --dirty) || die "$root: expected a git checkout"
  # The tracked files as they are now, or HEAD if none is changed.
  tree=$(git -C "$root" -c user.name=- -c user.email=- stash create)
  archive=$(mktemp -d)
  # shellcheck disable=SC2064  # the path as it is now
  trap "rm -rf '$archive'" EXIT
  git -C "$root" archive --format=tar.gz -o "$archive/fsketch.tar.gz" "${tree:-HEAD}"
  tpus tpu-vm scp "$archive/fsketch.tar.gz" "$NAME:" --worker=all
  tpus tpu-vm ssh "$NAME" --worker=all "--command=\
flock -n fsketch.lock true || { echo a run is in progress: stop it first >&2; exit 1; } \
&& rm -rf fsketch && mkdir -p fsketch fsketch-runs && tar -xzf fsketch.tar.gz -C fsketch \
&& ln -s ../fsketch-runs fsketch/runs && ${host[*]} setup $(printf %q "$revision")"
}

# The value of --workdir in a command.
workdir_of() {
  while [ $# -gt 0 ]; do
    case $1 in
      --workdir=*) echo "${1#--workdir=}" ;;
      --workdir) echo "${2:-}" ;;
    esac
    shift
  done
}

num_hosts() {
  local addresses
  if [ -n "${HOSTS:-}" ]; then
    echo "$HOSTS"
  elif [ "$dry_run" = 1 ]; then
    tpus tpu-vm describe "$NAME" "--format=value(networkEndpoints[].ipAddress)" >&2
    echo 1
  else
    addresses=$(tpus tpu-vm describe "$NAME" "--format=value(networkEndpoints[].ipAddress)")
    echo "${addresses//;/$'\n'}" | grep -c .
  fi
}

run() {
  [ $# -gt 0 ] || die "run: expected a command, got none"
  local workdir hosts settings=()
  workdir=$(workdir_of "$@")
  [[ $workdir != gs:* ]] || die "--workdir: expected a folder (BUCKET=$workdir saves it), got $workdir"
  if [ -n "${BUCKET:-}" ]; then
    [[ $BUCKET == gs://* ]] || die "BUCKET: expected gs://NAME or gs://NAME/FOLDER, got $BUCKET"
    [ -n "$workdir" ] || die "BUCKET: expected a command with --workdir, got one without"
    settings+=("FSKETCH_BUCKET=${BUCKET%/}" "FSKETCH_SAVE_MIN=${SAVE_MIN:-10}")
  fi
  hosts=$(num_hosts)
  if [ "$hosts" -gt 1 ]; then
    [ -z "${BUCKET:-}" ] || die "BUCKET: expected a TPU of one host, got $hosts hosts"
    if [[ " $* " =~ " fsketch.main " || " $* " =~ " fsketch "(train|evaluate|prepare)" " ]]; then
      [[ " $* " == *" --distributed "* ]] || set -- "$@" --distributed
      # Host 0 writes a word into the workdir; the others must find it before anything starts.
      local word=$RANDOM$RANDOM
      on_hosts 0 "${host[@]}" mark "$workdir" "$word"
      on_hosts all "${host[@]}" check "$workdir" "$word"
    fi
  fi
  [ -z "$workdir" ] || settings+=("FSKETCH_WORKDIR=$workdir")
  on_hosts all env "${settings[@]}" "${host[@]}" start "$@"
}

persist() {
  [ $# -gt 0 ] || die "persist: expected a command, got none"
  [ "$dry_run" = 0 ] || die "persist: expected no dry run; dry-run create, setup and run one by one"
  local outcome now
  while true; do
    # In separate shells, so that an error does not end this one.
    if ! ("$0" create); then
      sleep "$poll_sec"
      continue
    fi
    outcome=$(on_hosts 0 "${host[@]}" status 2>/dev/null | tail -n 1) || outcome=
    if [[ $outcome != running* ]] && ! ("$0" setup && "$0" run "$@"); then
      now=$(state)
      [[ $now != ACTIVE && $now != READY ]] || die "$NAME is $now, but setup or run failed"
      continue
    fi
    while true; do
      sleep "$poll_sec"
      outcome=$(on_hosts 0 "${host[@]}" status 2>/dev/null | tail -n 1) || outcome=
      case $outcome in
        running*) continue ;;
        "ended 0") return ;;
        ended*) die "the run $outcome: see launch/tpu_vm.sh logs" ;;
      esac
      now=$(state) || continue
      [[ $now == ACTIVE || $now == READY ]] || break
    done
    say "$NAME is ${now:-gone}: starting again"
  done
}

dry_run=${DRY_RUN:-0}
[ "$dry_run" = 0 ] || dry_run=1
if [ "${1:-}" = --dry_run ]; then
  dry_run=1
  shift
fi
if [ $# -eq 0 ]; then
  sed -n '2,34s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 2
fi
command=$1
shift

need NAME ZONE
[ "$dry_run" = 1 ] || command -v gcloud >/dev/null || die "expected gcloud on the PATH, got none"
if [ "${QUEUED:-1}" = 0 ]; then
  group=tpu-vm state_field=state
else
  group=queued-resources state_field=state.state
fi

case $command in
  create | setup)
    [ $# -eq 0 ] || die "$command: expected no arguments, got $*"
    "$command"
    ;;
  run | persist) "$command" "$@" ;;
  logs)
    [ $# -eq 0 ] || [ "$*" = -f ] || die "logs: expected -f or nothing, got $*"
    on_hosts "${WORKER:-0}" tail -n 100 "$@" fsketch-runs/run.log
    ;;
  status)
    tpus "$group" describe "$NAME" "--format=value($state_field)"
    on_hosts all "${host[@]}" status
    ;;
  stop) on_hosts all "${host[@]}" stop ;;
  fetch)
    [ $# -gt 0 ] || die "fetch: expected a folder, got none"
    case $1 in
      /*) from=$1 ;;
      *) from=fsketch/$1 ;;
    esac
    tpus tpu-vm scp --recurse "$NAME:$from" "${2:-.}" --worker=0
    ;;
  delete)
    # gcloud asks first; --force also deletes the TPU of a queued request.
    if [ "$group" = tpu-vm ]; then
      tpus tpu-vm delete "$NAME"
    else
      tpus queued-resources delete "$NAME" --force
    fi
    ;;
  *) die "unknown command: $command; launch/tpu_vm.sh without arguments lists them" ;;
esac
