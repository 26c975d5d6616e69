#!/bin/sh
# Single-level training at every depth, late growth and the adaptive schedule, each for the same time, at budgets of 5,
# 10, 20 and 40 tokens per parameter of the full depth; then the envelope. BUDGETS are the steps of 512 tokens of the
# full depth. What is finished is kept. About two hours on one core, half of them for the last budget.
set -eu
cd "$(dirname "$0")/../.."
OUT=${OUT:-runs/results} # below the repository, unless absolute
BUDGETS=${BUDGETS:-922 1844 3688 7376}
SCHEDULES=${SCHEDULES:-late,adaptive}
SEEDS=${SEEDS:-1,2,3}
mkdir -p "$OUT"
CGO_ENABLED=0 go build -o "$OUT/vcycle" ./cmd/vcycle

dirs=
for steps in $BUDGETS; do
  dir=$OUT/width24-$steps
  "$OUT/vcycle" compare --out "$dir" --jobs 2 --blocks 12 --shallow 3,6 --width 24 --heads 2 --context 64 --batch 8 --steps "$steps" \
    --rates 0.002,0.004,0.008 --seeds "$SEEDS" --schedules "$SCHEDULES" --val-every $((steps / 10)) --save-every 0 --sample-bytes 0
  dirs="$dirs $dir"
done
[ "$dirs" = " $dir" ] || "$OUT/vcycle" envelope --out "$OUT/envelope" $dirs
