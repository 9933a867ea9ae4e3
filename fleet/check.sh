#!/bin/sh
# Runs the fleet of GNU parallel for real, on this machine: a small campaign in seven blocks, once
# more to go on with nothing, and compared with one run of the whole, byte for byte.
#
#   VOPR   the program (default: it is built)
#   SEEDS  seeds of the campaign (default: 3000)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
if [ -z "${VOPR:-}" ]; then
    cargo build --release --quiet
    VOPR=${CARGO_TARGET_DIR:-$PWD/target}/release/vopr
fi
VOPR_ITERATIONS=${SEEDS:-3000}
VOPR_OUTPUT_DIR=$(mktemp -d)
VOPR_OPTS="--bug gc-ignores-lease"
export VOPR VOPR_ITERATIONS VOPR_OUTPUT_DIR VOPR_OPTS
trap 'rm -rf "$VOPR_OUTPUT_DIR"' EXIT

code=0
# shellcheck disable=SC2086 # options are split on purpose
"$VOPR" run -n "$VOPR_ITERATIONS" $VOPR_OPTS >"$VOPR_OUTPUT_DIR/expected" 2>/dev/null || code=$?
for round in first second; do
    found=0
    fleet/gnu-parallel.sh 7 >"$VOPR_OUTPUT_DIR/$round" || found=$?
    [ "$found" -eq "$code" ] || { echo "$round: exit $found instead of $code" >&2; exit 1; }
    # The plans lie in directories of their own.
    sed '/^  saved /d; s|vopr replay .*||' "$VOPR_OUTPUT_DIR/expected" >"$VOPR_OUTPUT_DIR/a"
    sed '/^  saved /d; s|vopr replay .*||' "$VOPR_OUTPUT_DIR/$round" >"$VOPR_OUTPUT_DIR/b"
    cmp "$VOPR_OUTPUT_DIR/a" "$VOPR_OUTPUT_DIR/b"
done
echo "seven blocks of $VOPR_ITERATIONS seeds come to what one run comes to (exit $code)"
