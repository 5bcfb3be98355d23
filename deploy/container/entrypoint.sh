#!/bin/sh
# The container's entry point: checks what a container gets wrong, then becomes the server.
#
#   [MODEL] [any option of `langsteer serve`]     serve
#   langsteer VERB ...                            any other command, e.g. langsteer access check FILE
#
#   LANGSTEER_MODEL              MODEL, where the arguments name none
#   LANGSTEER_PROFILES_DIR       --profiles, where the arguments have none (/profiles)
#   LANGSTEER_LISTEN_PORT        --port, where the arguments have none; the health check's too (8000)
#   LANGSTEER_SHUTDOWN_TIMEOUT   --shutdown-timeout, where the arguments have none: seconds (60)
#
# `exec` leaves no shell behind: tini hands SIGTERM to the server and to nothing else, so that it can finish its
# requests while its engine still runs. Not LANGSTEER_PORT: Kubernetes sets that for a Service named langsteer.
set -eu

die() {
    printf 'langsteer container: %s\n' "$*" >&2
    exit 78
}

# has OPTION ARGUMENT...: whether it is among the arguments, as --option VALUE or --option=VALUE.
has() {
    wanted=$1
    shift
    for argument; do
        case $argument in "$wanted" | "$wanted"=*) return 0 ;; esac
    done
    return 1
}

check_writable() {
    for folder in "${LANGSTEER_CACHE:-}" "${HF_HOME:-}" "${VLLM_CACHE_ROOT:-}" "${TORCHINDUCTOR_CACHE_DIR:-}" \
        "${TRITON_CACHE_DIR:-}" "${TMPDIR:-/tmp}"; do
        [ -n "$folder" ] || continue
        # access(2) knows of read-only file systems, too.
        { mkdir -p "$folder" && [ -w "$folder" ]; } 2>/dev/null ||
            die "cannot write to $folder as user $(id -u).
Mount something there that this user may write: a volume at /cache (docker run -v langsteer-cache:/cache), a tmpfs at /tmp.
What an older volume holds may be another user's: chown -R $(id -u) it."
    done
}

# check_readable FOLDER: of a folder that is there; hub ids and what is not there are the server's to judge.
check_readable() {
    [ ! -d "$1" ] || { [ -r "$1" ] && [ -x "$1" ]; } ||
        die "cannot read $1 as user $(id -u).
Let others read what is mounted there (chmod -R a+rX), or run as its owner (docker run --user)."
}

check_profiles() {
    [ "$1" != ready ] || return 0
    check_readable "$1"
    for file in "$1"/*.safetensors; do
        [ ! -e "$file" ] || return 0
    done
    die "no profile files in $1.
Mount a folder of them (docker run -v ./my-profiles:$1:ro), name another with --profiles or LANGSTEER_PROFILES_DIR,
or say \`ready\` for the demo model's own. \`langsteer profile\` makes them."
}

check_number() {
    case $2 in '' | *[!0-9]*) die "$1 is '$2', must be a whole number" ;; esac
}

case ${1:-} in
langsteer) exec "$@" ;;
-h | --help) exec langsteer serve --help ;;
esac

case ${1:-} in
'' | -*)
    [ -n "${LANGSTEER_MODEL:-}" ] || die "no model given.
Name one as the first argument (docker run IMAGE MODEL --max-model-len 4096) or in LANGSTEER_MODEL:
a folder that is mounted, a Hugging Face hub id, or demo."
    ;;
*)
    LANGSTEER_MODEL=$1
    shift
    ;;
esac

check_readable "$LANGSTEER_MODEL"
if ! has --profiles "$@"; then
    : "${LANGSTEER_PROFILES_DIR:=/profiles}"
    check_profiles "$LANGSTEER_PROFILES_DIR"
    set -- --profiles "$LANGSTEER_PROFILES_DIR" "$@"
fi
if ! has --port "$@"; then
    : "${LANGSTEER_LISTEN_PORT:=8000}"
    check_number LANGSTEER_LISTEN_PORT "$LANGSTEER_LISTEN_PORT"
    set -- "$@" --port "$LANGSTEER_LISTEN_PORT"
fi
if ! has --shutdown-timeout "$@"; then
    : "${LANGSTEER_SHUTDOWN_TIMEOUT:=60}"
    check_number LANGSTEER_SHUTDOWN_TIMEOUT "$LANGSTEER_SHUTDOWN_TIMEOUT"
    set -- "$@" --shutdown-timeout "$LANGSTEER_SHUTDOWN_TIMEOUT"
fi
check_writable
exec langsteer serve "$LANGSTEER_MODEL" "$@"
