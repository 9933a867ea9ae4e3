#!/usr/bin/env bash
# manifest-core in many processes that are killed: nothing may be lost.
#
#   scripts/soak.sh [local] [local-fsync] [s3] [azure]      (default: all four)
#   SOAK_SECONDS=10 scripts/soak.sh local                   (short enough for every change)
#
# local and local-fsync run on crates/local-store, without and with waiting for the disk; s3 on
# ministack and azure on azurite, which are installed once, in pinned versions, listen on 127.0.0.1 on
# free ports, and are stopped by process id. Servers need python3 with venv, and npm.
#
#   SOAK_SECONDS         length of each run                        (default: 60)
#   SOAK_WRITERS         processes that commit                     (default: 8, and 4 on servers)
#   CONFORMANCE_SERVERS  where servers are installed               (default: target/servers)
#   VOPR                 a built vopr program                      (default: it is built)
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${SOAK_SECONDS:-60}
servers=${CONFORMANCE_SERVERS:-target/servers}
which=("$@")
[ ${#which[@]} -gt 0 ] || which=(local local-fsync s3 azure)
work=$(mktemp -d)
pid=

stop() {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        pid=
    fi
}
# What a run that failed has left behind is needed to understand it.
trap 'code=$?; stop; if [ $code -eq 0 ]; then rm -rf "$work"; else echo "kept: $work" >&2; fi' EXIT

step() { printf '\n== %s\n' "$*"; }

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Waits until the port answers, for at most a minute.
wait_for() {
    python3 - "$1" "$pid" <<'PY'
import os, socket, sys, time
port, pid = int(sys.argv[1]), int(sys.argv[2])
for _ in range(600):
    os.kill(pid, 0)
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        sys.exit(0)
    except OSError:
        time.sleep(0.1)
sys.exit(f"nothing listens on port {port}")
PY
}

start_s3() {
    mkdir -p "$servers"
    if [ ! -x "$servers/python/bin/ministack" ]; then
        step "install ministack"
        [ -d "$servers/python" ] || python3 -m venv "$servers/python"
        "$servers/python/bin/pip" install --quiet --disable-pip-version-check ministack==1.5.33
    fi
    port=$(free_port)
    GATEWAY_PORT=$port BIND_HOST=127.0.0.1 "$servers/python/bin/ministack" >"$work/s3.log" 2>&1 &
    pid=$!
    wait_for "$port"
    python3 -c 'import sys, urllib.request as u; u.urlopen(u.Request(sys.argv[1], method="PUT"))' \
        "http://127.0.0.1:$port/soak"
}

start_azure() {
    mkdir -p "$servers"
    if [ ! -d "$servers/node/node_modules/azurite" ]; then
        step "install azurite"
        npm install --silent --no-fund --no-audit --prefix "$servers/node" azurite@3.37.0
    fi
    port=$(free_port)
    node "$servers/node/node_modules/azurite/dist/src/blob/main.js" --silent --disableTelemetry \
        --skipApiVersionCheck --inMemoryPersistence --blobHost 127.0.0.1 --blobPort "$port" \
        >"$work/azure.log" 2>&1 &
    pid=$!
    wait_for "$port"
    # The key is the emulator's well-known one.
    python3 - "$port" <<'PY'
import base64, email.utils, hashlib, hmac, sys, urllib.request
account = "devstoreaccount1"
key = base64.b64decode("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
date, version = email.utils.formatdate(usegmt=True), "2021-08-06"
text = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{version}\n"
text += f"/{account}/{account}/soak\nrestype:container"
signature = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
urllib.request.urlopen(urllib.request.Request(
    f"http://127.0.0.1:{sys.argv[1]}/{account}/soak?restype=container", method="PUT",
    headers={"x-ms-date": date, "x-ms-version": version,
             "Authorization": f"SharedKey {account}:{signature}"}))
PY
}

step "build"
manifest=crates/manifest-core/soak/Cargo.toml
cargo build --quiet --release --manifest-path "$manifest"
if [ -z "${VOPR:-}" ]; then
    cargo build --quiet --release --bin vopr
    target=$(cargo metadata --format-version 1 --no-deps |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
    VOPR=$target/release/vopr
fi

# soak NAME WRITERS ARGUMENTS...
soak() {
    step "$1: ${seconds} s"
    # A process without bounds must not take the machine with it.
    (ulimit -v 8000000 && cargo run --quiet --release --manifest-path "$manifest" -- run \
        --work "$work/$1" --vopr "$VOPR" --duration "${seconds}s" \
        --writers "${SOAK_WRITERS:-$2}" "${@:3}")
}

for name in "${which[@]}"; do
    case $name in
    local) soak local 8 --store "file://$work/store" ;;
    local-fsync) soak local-fsync 8 --store "file://$work/fsync" --durability power-loss ;;
    s3) start_s3; soak s3 4 --store s3://soak/m --endpoint "http://127.0.0.1:$port" --hasty 25ms; stop ;;
    azure) start_azure; soak azure 4 --store azure://soak/m --endpoint "http://127.0.0.1:$port" --hasty 25ms; stop ;;
    *) echo "no such store: $name" >&2; exit 2 ;;
    esac
done
printf '\nnothing was lost anywhere\n'
