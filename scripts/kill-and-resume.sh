#!/bin/sh
# Kills runs at random moments with SIGKILL, goes on with them until they are done, and compares
# what they say with an undisturbed run, byte for byte. Every seed must be among the results once.
#
#   kill-and-resume.sh [RUNS] [SEEDS] [SECONDS]
#
#   RUNS       runs (default: 200)
#   SEEDS      seeds of each (default: 20000)
#   SECONDS    no new run is begun after so many (default: 600)
#   VOPR       the program (default: it is built)
#   VOPR_OPTS  further flags, such as --strategy guided
set -eu
cd "$(dirname "$0")/.."
runs=${1:-200}
seeds=${2:-20000}
seconds=${3:-600}
if [ -z "${VOPR:-}" ]; then
    cargo build --release --quiet
    VOPR=${CARGO_TARGET_DIR:-target}/release/vopr
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A bug that is found now and then, so that failures are part of what is compared.
# shellcheck disable=SC2086 # options are split on purpose
set -- run --seed 1 -n "$seeds" --bug gc-ignores-lease --no-reduce --no-trace-on-failure ${VOPR_OPTS:-}

# Without the lines that name the directory.
told() { sed 's|[^ ]*/plans/[^ ]*||' "$1/summary.txt"; }

# The results hold each seed once: as many as there are, and none twice.
each_once() {
    sed -n 's/.*"kind":"stretch","first":\([0-9]*\),"last":\([0-9]*\).*/\1 \2/p' "$1/results.ndjson" |
        sort -n | awk -v seeds="$seeds" '
            $1 != next_seed + 1 { print "seed " next_seed + 1 " is missing or twice"; bad = 1; exit 1 }
            { next_seed = $2 }
            END { if (!bad && next_seed != seeds) { print "ends at seed " next_seed; exit 1 } }'
}

code=0
"$VOPR" "$@" --out "$work/calm" >/dev/null 2>&1 || code=$?
[ "$code" -eq 0 ] || [ "$code" -eq 10 ] || { echo "the undisturbed run ended with $code" >&2; exit 1; }
each_once "$work/calm"

began=$(date +%s)
done_runs=0
kills=0
while [ "$done_runs" -lt "$runs" ] && [ $(($(date +%s) - began)) -lt "$seconds" ]; do
    out=$work/killed
    rm -rf "$out"
    before=$kills
    while :; do
        "$VOPR" "$@" --out "$out" >/dev/null 2>&1 &
        pid=$!
        # 0.05 to 3.25 seconds, and more from kill to kill: a slow machine must get to the end of
        # what a run tells, which is told anew each time.
        word=$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')
        sleep "$(awk -v word="$word" -v kills=$((kills - before)) \
            'BEGIN { printf "%.2f", 0.05 + word % 3200 / 1000 * (1 + kills / 20) }')"
        if kill -9 "$pid" 2>/dev/null; then
            kills=$((kills + 1))
        fi
        ended=0
        wait "$pid" 2>/dev/null || ended=$?
        # 137: it was killed.
        [ "$ended" -eq 137 ] || break
    done
    [ "$ended" -eq "$code" ] || { echo "a run ended with $ended instead of $code" >&2; exit 1; }
    each_once "$out"
    told "$work/calm" >"$work/expected"
    told "$out" >"$work/found"
    cmp "$work/expected" "$work/found"
    # A guided search knows the same in the end.
    if [ -f "$work/calm/corpus.json" ]; then cmp "$work/calm/corpus.json" "$out/corpus.json"; fi
    done_runs=$((done_runs + 1))
done
echo "$done_runs runs of $seeds seeds, killed $kills times: every summary is that of the undisturbed run"
