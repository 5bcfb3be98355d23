#!/bin/sh
# Installs the clients that docs/clients.md names, for its tests. Run by `make test`; safe to run again.
# In an environment of their own: they ask for other versions of what vLLM needs, too.
set -eu
cd "$(dirname "$0")/.."

STATE=.venv/.langsteer
VENV=$STATE/clients
LOG=$STATE/setup-clients.log

. deploy/steps.sh

install_python_clients() {
    ".venv/bin/python" -m venv "$VENV" && pip_install "litellm>=1.110,<2" "langchain-openai>=1.7,<2"
}

install_node_client() {
    npm install --prefix "$VENV" --no-fund --no-audit --no-save "openai@^6"
}

: >"$LOG"
step "LiteLLM and LangChain, for tests" install_python_clients ||
    echo "  note: their tests will be skipped; the reason is at the end of $LOG"
if command -v npm >/dev/null; then
    step "the openai client for Node.js, for tests" install_node_client ||
        echo "  note: its test will be skipped; the reason is at the end of $LOG"
else
    echo "  note: no npm found (Debian, Ubuntu: nodejs npm): the test of the openai client for Node.js will be skipped"
fi
touch "$STATE/clients-ready"
