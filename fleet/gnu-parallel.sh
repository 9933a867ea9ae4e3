#!/bin/sh
# A fleet of GNU parallel: the blocks of a campaign on this machine, or on those of a file that
# `parallel --sshloginfile` understands and that share VOPR_OUTPUT_DIR.
#
#   gnu-parallel.sh BLOCKS [SSHLOGINFILE]
#
# The environment is that of block.sh. Run it again to go on with what is missing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
blocks=$1
logins=${2:+--sshloginfile $2}
export VOPR_WORKERS="${VOPR_WORKERS:-1}"
mkdir -p "$VOPR_OUTPUT_DIR"
# A block that found something is done; what it found is told by the merge. --joblog is for people.
# shellcheck disable=SC2086 # options are split on purpose
seq "$blocks" | parallel $logins --env VOPR --env VOPR_SEED --env VOPR_ITERATIONS \
    --env VOPR_OUTPUT_DIR --env VOPR_WORKERS --env VOPR_OPTS \
    --joblog "$VOPR_OUTPUT_DIR/joblog" \
    "$here/block.sh {} $blocks >/dev/null 2>&1" || true
exec "$here/merge.sh"
