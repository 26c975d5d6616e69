#!/bin/sh
# Single-level training at every depth, late growth and the adaptive schedule, each for the same time, at budgets of 5,
# 10, 20, 40 and 50 tokens per parameter of the full depth; then the envelope. BUDGETS are the steps of the
# full depth. What is finished is kept. About an hour and a half on one core, an hour of it for the last two budgets. The other scripts here set
# what they change.
set -eu
cd "$(dirname "$0")/../.."
OUT=${OUT:-runs/results} # below the repository, unless absolute
BLOCKS=${BLOCKS:-12} SHALLOW=${SHALLOW:-3,6}
WIDTH=${WIDTH:-24} HEADS=${HEADS:-2} CONTEXT=${CONTEXT:-64}
BUDGETS=${BUDGETS:-922 1844 3688 7376 9220}
SCHEDULES=${SCHEDULES:-late,adaptive}
RATES=${RATES:-0.002,0.004,0.008}
METHOD=${METHOD:-euler} SCALES=${SCALES:-} # residual scales that are tuned with the rates; else 1
SEEDS=${SEEDS:-1,2,3}
mkdir -p "$OUT"
CGO_ENABLED=0 go build -o "$OUT/vcycle" ./cmd/vcycle

of=width$WIDTH
[ "$BLOCKS" = 12 ] || of=$of-blocks$BLOCKS
[ "$METHOD" = euler ] || of=$of-$METHOD
dirs=
for steps in $BUDGETS; do
  dir=$OUT/$of-$steps
  "$OUT/vcycle" compare --out "$dir" --jobs 2 --blocks "$BLOCKS" --shallow "$SHALLOW" --width "$WIDTH" --heads "$HEADS" --context "$CONTEXT" --batch 8 \
    --method "$METHOD" ${SCALES:+--residual-scales "$SCALES"} --steps "$steps" --rates "$RATES" --seeds "$SEEDS" --schedules "$SCHEDULES" --val-every $((steps / 10)) --save-every 0 --sample-bytes 0
  dirs="$dirs $dir"
done
[ "$dirs" = " $dir" ] || "$OUT/vcycle" envelope --out "$OUT/$of-envelope" $dirs
