#!/bin/sh
# The loss across a refinement from 3 to 12 blocks, half-way in 3,000 steps, for each way to add blocks. Minutes.
set -eu
cd "$(dirname "$0")/../.."
OUT=${OUT:-runs/results}
mkdir -p "$OUT"
CGO_ENABLED=0 go build -o "$OUT/vcycle" ./cmd/vcycle
train="$OUT/vcycle train --width 24 --heads 2 --context 64 --batch 8 --lr 0.004 --save-every 0 --sample-bytes 0 --threads 1"
runs=
for way in identity grow interleave stack linear middle random; do
  dir=$OUT/refinement/$way
  [ -e "$dir/summary.json" ] || $train --out "$dir" --multilevel nested --levels 3,12 --level-fractions 0.5,0.5 --prolong $way \
    --steps 3000 --val-every 20 >/dev/null
  runs="$runs $dir"
done
"$OUT/vcycle" plot $runs --x steps --out "$OUT/refinement.png"
echo "| blocks are added by | before | after 20 steps | 100 | 500 | 1,500, at the end |"
echo "|---|---|---|---|---|---|"
for way in identity grow interleave stack linear middle random; do
  sed -n 's/^{"step":\([0-9]*\),.*"val_loss":\([0-9.]*\).*/\1 \2/p' "$OUT/refinement/$way/metrics.jsonl" |
    awk -v way=$way '$1 == 1500 || $1 == 1520 || $1 == 1600 || $1 == 2000 || $1 == 3000 {row = row sprintf(" %.4f |", $2)} END {print "| " way " |" row}'
done
