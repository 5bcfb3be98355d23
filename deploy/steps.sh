# What the set-up scripts share; they set VENV and LOG before a step is taken.

die() {
    printf '\nset-up failed: %s\n' "$*" >&2
    exit 1
}

# step "what happens" command...: runs the command quietly, into the log, and says how long it took.
step() {
    what=$1
    shift
    printf '  %s ' "$what"
    echo "\$ $*" >>"$LOG"
    started=$(date +%s)
    (while sleep 5; do printf '.'; done) &
    ticker=$!
    trap 'kill $ticker 2>/dev/null || :' EXIT
    status=0
    "$@" >>"$LOG" 2>&1 || status=$?
    kill "$ticker" 2>/dev/null || :
    wait "$ticker" 2>/dev/null || :
    trap - EXIT
    took=$(($(date +%s) - started))
    if [ "$status" -eq 0 ]; then echo " done (${took} s)"; else echo " failed (${took} s)"; fi
    return "$status"
}

die_with_log() {
    printf '\nThe end of %s:\n' "$LOG" >&2
    tail -n 25 "$LOG" >&2
    die "$*"
}

pip() { "$VENV/bin/python" -m pip "$@"; }

pip_install() { pip install --disable-pip-version-check --progress-bar off "$@"; }
