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
which=("$@")
[ ${#which[@]} -gt 0 ] || which=(local local-fsync s3 azure)
. scripts/servers.sh
# What a run that failed has left behind is needed to understand it.
trap 'code=$?; stop; if [ $code -eq 0 ]; then rm -rf "$work"; else echo "kept: $work" >&2; fi' EXIT

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
    s3) start_s3 soak; soak s3 4 --store s3://soak/m --endpoint "http://127.0.0.1:$port" --hasty 25ms; stop ;;
    azure) start_azure soak; soak azure 4 --store azure://soak/m --endpoint "http://127.0.0.1:$port" --hasty 25ms; stop ;;
    *) echo "no such store: $name" >&2; exit 2 ;;
    esac
done
printf '\nnothing was lost anywhere\n'
