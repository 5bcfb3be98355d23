#!/bin/sh
# pin.sh PYTHON: writes constraints-cpu.txt from what PYTHON's environment has installed, which the tests ran with, and
# constraints-gpu.txt from what uv resolves beside it. Needs uv.
set -eu
cd "$(dirname "$0")/../.."

PYTHON=${1:?pin.sh PYTHON, of an environment that make setup has made}
VERSION=3.11
OUT=deploy/container

resolve() {
    uv pip compile --quiet --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
        --python-version "$VERSION" --python-platform x86_64-manylinux_2_28 --extra demo pyproject.toml "$@"
}

# keep DEVICE REMARK: the resolution becomes the constraints.
keep() {
    {
        printf '# Written by deploy/container/pin.sh, for Python %s on Linux (x86-64): %s\n' "$VERSION" "$2"
        cat "$work/$1"
    } >"$OUT/constraints-$1.txt"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv pip freeze --quiet --exclude-editable --python "$PYTHON" | grep -v ' @ ' >"$work/installed"

# Names are taken from a resolution, versions from the environment, which has more in it than a server needs.
resolve --extra cpu --constraint "$work/installed" --override "$OUT/overrides-cpu.txt" >"$work/cpu"
# uv leaves as they are the versions that an output file has already, where they fit.
sed 's/+cpu$//' "$work/installed" >"$work/gpu"
# Without the links, where a CPU build of torch may lie.
UV_FIND_LINKS='' resolve --extra gpu --output-file "$work/gpu" >/dev/null
keep cpu "the versions that the tests ran with."
keep gpu "those for CPUs where they fit, else what uv resolves to; not run."
wc -l "$OUT"/constraints-*.txt
