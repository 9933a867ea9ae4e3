#!/usr/bin/env bash
# Judges every recorded history of a folder with `vopr check` and compares with the known verdicts.
#
#   scripts/check-histories.sh FOLDER
#
# FOLDER/EXPECTED.tsv has a line for each history: file, bytes, model, verdict, source, licence.
set -euo pipefail
folder=${1:?usage: scripts/check-histories.sh FOLDER}
cd "$(dirname "$0")/.."
cargo build --release --quiet
vopr=${CARGO_TARGET_DIR:-target}/release/vopr

right=0
wrong=0
while IFS=$'\t' read -r file _ model expected _; do
    case $expected in
    NOT* | INVALID*) want=10 ;;
    *) want=0 ;;
    esac
    code=0
    timeout 10 "$vopr" check --model "$model" "$folder/$file" >/dev/null 2>&1 || code=$?
    if [ "$code" -eq "$want" ]; then
        right=$((right + 1))
    else
        wrong=$((wrong + 1))
        echo "$file: exit $code, expected $want ($expected)" >&2
    fi
done < <(tail -n +2 "$folder/EXPECTED.tsv")

echo "$right verdicts right, $wrong wrong"
[ "$wrong" -eq 0 ]
