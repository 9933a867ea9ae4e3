#!/bin/sh
# Runs the fuzz targets on a stable toolchain, without a sanitizer: coverage is LLVM's own pass, and
# the code under test has no unsafe block for a sanitizer to watch. README.md says what is checked.
#
# Usage: run.sh [SECONDS] [TARGET]...     60 seconds for each of all targets unless told otherwise
set -eu
cd "$(dirname "$0")"
seconds=${1:-60}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- head records segment merged checkpoint pin

host=$(rustc -vV | sed -n 's/^host: //p')
target_dir=${CARGO_TARGET_DIR:-target}
# With --target the flags reach the code under test only, not build scripts and macros.
export RUSTFLAGS="--cfg fuzzing -Cdebug-assertions -Coverflow-checks -Ccodegen-units=1 \
-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
cargo build --release --target "$host" --bins
bin=$target_dir/$host/release
rustc --edition 2024 -o "$bin/seeds" seeds.rs
"$bin/seeds" seeds
for target in "$@"; do
    mkdir -p "corpus/$target" "artifacts/$target"
    echo "== $target, $seconds s"
    "$bin/$target" "corpus/$target" "seeds/$target" -max_total_time="$seconds" -max_len=2048 \
        -timeout=5 -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="artifacts/$target/"
done
