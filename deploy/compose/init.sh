#!/bin/sh
# Makes what compose.yaml needs and nobody else may know: keys of the server, Grafana's password. Safe to run again:
# what is there stays. Prints no secret.
set -eu
cd "$(dirname "$0")"

random() { od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n'; }
hash() { printf 'sha256:%s' "$(printf %s "$1" | sha256sum | cut -d' ' -f1)"; }

# keep FILE TEXT MODE: written whole or not at all.
keep() {
    printf '%s\n' "$2" >"$1.part"
    chmod "$3" "$1.part"
    mv "$1.part" "$1"
}

# Only their owner gets into secrets/. What containers mount of it they read as users of their own, hence 644 within.
mkdir -p config profiles secrets
chmod 755 config profiles
chmod 700 secrets

if [ -e config/access.yaml ]; then
    echo "config/access.yaml is there already: its keys stay"
else
    client=$(random)
    operator=$(random)
    keep secrets/client.key "$client" 600
    keep secrets/operator.key "$operator" 600
    keep config/access.yaml "# Made by init.sh; docs/access.md has the fields. The keys are in secrets/client.key and secrets/operator.key.
keys:
  - name: client
    hashes: [\"$(hash "$client")\"]
  - name: operator
    hashes: [\"$(hash "$operator")\"]
    admin: true" 644
    echo "config/access.yaml: hashes of two keys, which are in secrets/client.key and secrets/operator.key"
fi
if [ -e secrets/grafana_admin_password ]; then
    echo "secrets/grafana_admin_password is there already"
else
    keep secrets/grafana_admin_password "$(random)" 644
    echo "secrets/grafana_admin_password: of Grafana's user admin"
fi
if [ ! -e secrets/hf_token ]; then
    : >secrets/hf_token
    chmod 644 secrets/hf_token
    echo "secrets/hf_token: empty; put your Hugging Face token there if the model needs one"
fi
