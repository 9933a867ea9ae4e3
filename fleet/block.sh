#!/bin/sh
# One block of a campaign: what every scheduler runs. Killed and started again it goes on.
#
#   block.sh I N
#
#   VOPR_ITERATIONS  seeds of the whole campaign, the same for all blocks (required)
#   VOPR_SEED        first seed of the whole (default: 1)
#   VOPR_OUTPUT_DIR  a directory that outlives the machine (required); the block is kept in block-I
#   VOPR_WORKERS     workers (default: one for each processor)
#   VOPR_OPTS        further flags, the same for all blocks
#   VOPR             the program, the same file for all blocks (default: vopr)
#
# Exit: 0 passed; 10 to 15 found something, do not try again; 16 or killed: start it again.
set -eu
# shellcheck disable=SC2086 # options are split on purpose
exec "${VOPR:-vopr}" run --seed "${VOPR_SEED:-1}" -n "$VOPR_ITERATIONS" --block "$1/$2" \
    --isolate --out "$VOPR_OUTPUT_DIR/block-$1" \
    ${VOPR_WORKERS:+--workers $VOPR_WORKERS} ${VOPR_OPTS:-}
