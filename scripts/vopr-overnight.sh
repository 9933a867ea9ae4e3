#!/bin/sh
# A night of worlds, kept in a directory, killed and continued as one likes. All the work is in
# `vopr` itself; see scripts/VOPR-TESTING.md.
#
#   VOPR_ITERATIONS  seeds; a time such as 8h for as many as it holds (default: 8h)
#   VOPR_SEED        first seed (default: 1)
#   VOPR_OUTPUT_DIR  where it is kept (default: vopr-results/ and the time of the start);
#                    a directory that is there already is continued
#   VOPR_WORKERS     workers (default: one for each processor)
#   VOPR_OPTS        further flags
#   VOPR             the program (default: it is built)
set -eu
# Where somebody stands is where a directory of theirs is.
case ${VOPR_OUTPUT_DIR:-} in
'' | /*) ;;
*) VOPR_OUTPUT_DIR=$PWD/$VOPR_OUTPUT_DIR ;;
esac
cd "$(dirname "$0")/.."

iterations=${VOPR_ITERATIONS:-8h}
case $iterations in
*[!0-9]*) extent="--budget $iterations" ;;
*) extent="-n $iterations" ;;
esac
out=${VOPR_OUTPUT_DIR:-vopr-results/$(date +%Y%m%d-%H%M%S)}
workers=${VOPR_WORKERS:+--workers $VOPR_WORKERS}

if [ -z "${VOPR:-}" ]; then
    cargo build --release --quiet
    VOPR=${CARGO_TARGET_DIR:-target}/release/vopr
fi
echo "kept in $out; to go on after an interruption: VOPR_OUTPUT_DIR=$out $0" >&2
# shellcheck disable=SC2086 # options are split on purpose
exec "$VOPR" run --seed "${VOPR_SEED:-1}" $extent --isolate --canary --out "$out" $workers ${VOPR_OPTS:-}
