#!/bin/sh
# Two minutes of worlds: a sound run, then each planted bug. All the work is in `vopr` itself.
#
#   VOPR_SEED        first seed (default: 42)
#   VOPR_ITERATIONS  seeds of the sound run (default: 100000)
#   VOPR_WORKERS     threads (default: one for each processor)
#   VOPR_OPTS        further flags for every run
set -eu
cd "$(dirname "$0")/.."

seed=${VOPR_SEED:-42}
iterations=${VOPR_ITERATIONS:-100000}
workers=${VOPR_WORKERS:+--workers $VOPR_WORKERS}

cargo build --release --quiet
vopr=${CARGO_TARGET_DIR:-target}/release/vopr

# shellcheck disable=SC2086 # options are split on purpose
"$vopr" --seed "$seed" -n "$iterations" $workers ${VOPR_OPTS:-}

for bug in blind-head-put ambiguous-retry-recommit head-cache-stale; do
    code=0
    # shellcheck disable=SC2086
    "$vopr" --seed "$seed" -n 200 --bug "$bug" $workers ${VOPR_OPTS:-} || code=$?
    if [ "$code" -ne 10 ]; then
        echo "the planted bug $bug was not found (exit $code)" >&2
        exit 15
    fi
done
