#!/bin/sh
# Joins the blocks of a campaign into VOPR_OUTPUT_DIR/whole and tells what they found, as one run of
# the whole would have. Exit 16: blocks, or seeds of blocks, are missing.
#
#   VOPR_OUTPUT_DIR  where the blocks are kept (required)
#   VOPR             the program that ran them (default: vopr)
set -eu
exec "${VOPR:-vopr}" merge "$VOPR_OUTPUT_DIR"/block-* --out "$VOPR_OUTPUT_DIR/whole"
