#!/bin/sh
# smoke.sh IMAGE: does an image with the demo model (--build-arg EXTRAS=demo) serve, steer and end well, as it would be
# run: no root, read-only, without capabilities? Ends with 1 where it does not. Needs docker and curl; a few minutes.
set -eu

IMAGE=${1:?smoke.sh IMAGE}
NAME=langsteer-smoke-$$
PORT=${PORT:-18000}
URL=http://127.0.0.1:$PORT

die() {
    printf 'FAILED: %s\n' "$*" >&2
    docker logs --tail 40 "$NAME" >&2 || :
    exit 1
}

finish() {
    docker rm --force --volumes "$NAME" >/dev/null 2>&1 || :
    rm -f "$headers"
}
headers=$(mktemp)
trap finish EXIT

state() { docker inspect --format "{{.State.$1}}" "$NAME"; }

docker run --detach --name "$NAME" --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --shm-size 1g \
    --publish "127.0.0.1:$PORT:8000" --env VLLM_CPU_KVCACHE_SPACE=1 --env LANGSTEER_PROFILES_DIR=ready \
    "$IMAGE" demo --enforce-eager --max-model-len 1024 --max-num-seqs 8 >/dev/null

[ "$(docker exec "$NAME" id -u)" = 10001 ] || die "does not run as user 10001"
echo "waiting until it is healthy"
waited=0
until [ "$(state Health.Status)" = healthy ]; do
    [ "$(state Status)" = running ] || die "ended with $(state ExitCode)"
    [ "$waited" -lt 600 ] || die "not healthy after $waited s"
    sleep 5
    waited=$((waited + 5))
done
echo "healthy after $waited s"

curl --fail --silent --show-error "$URL/steering/health/ready" || die "not ready"
ask='{"model": "demo", "prompt": "When she opened the window this morning,", "max_tokens": 32, "steering": {"target": "de"}}'
curl --fail --silent --show-error --dump-header "$headers" --header 'Content-Type: application/json' --data "$ask" \
    "$URL/v1/completions" || die "no answer"
echo
grep -qi '^x-steering-profile: de@' "$headers" || die "the answer was not steered"

# A long answer, and the end in the middle of it: it must come whole.
long='{"model": "demo", "prompt": "Once", "max_tokens": 400, "ignore_eos": true, "steering": {"target": "de"}}'
curl --fail --silent --header 'Content-Type: application/json' --data "$long" "$URL/v1/completions" >/dev/null &
client=$!
sleep 2
begun=$(date +%s)
docker stop --time 90 "$NAME" >/dev/null
wait "$client" || die "a request in flight was lost at the end"
[ "$(state ExitCode)" -ne 137 ] || die "had to be killed"
echo "ended after $(($(date +%s) - begun)) s, status $(state ExitCode); the request in flight came whole"
docker run --rm --read-only "$IMAGE" langsteer --version
