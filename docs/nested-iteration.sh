#!/bin/sh
# Nested iteration against single-level training at equal wall-clock, on the Go source tree: every rate
# of one grid for each of three schedules, then two more seeds at the best rate. Finished runs are not
# repeated, interrupted ones are resumed. OUT says where the runs go.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."
OUT=${OUT:-runs/nested-iteration} # below the repository, unless absolute
STEPS=${STEPS:-1000} # of nested iteration; single-level training gets half as many, which cost as much time
SHALLOW=${SHALLOW:-1750} # of the control, 3 blocks for no more time than the others
RATES=${RATES:-"0.001 0.002 0.004 0.008"}
mkdir -p "$OUT"
CGO_ENABLED=0 go build -o "$OUT/vcycle" ./cmd/vcycle

run() { # name levels steps rate seed
  dir=$OUT/$1-lr$4-seed$5
  [ -e "$dir/summary.json" ] && return
  if ls "$dir"/checkpoint/step-* >/dev/null 2>&1; then
    "$OUT/vcycle" train --resume "$dir" >/dev/null
  else
    rm -rf "$dir" # stopped before its first checkpoint
    "$OUT/vcycle" train --multilevel nested --out "$dir" --levels "$2" --steps "$3" --lr "$4" --seed "$5" --val-every 100 --sample-bytes 0 >/dev/null
  fi
}
all() { # rate seed: the schedules in turns, so that a slow minute of the machine meets all of them
  run nested 3,12 "$STEPS" "$1" "$2"
  run single 12 $((STEPS / 2)) "$1" "$2"
  run shallow 3 "$SHALLOW" "$1" "$2"
}
best() { # name: the rate with the lowest final validation loss
  for r in $RATES; do
    sed -n "s/.*\"final_val_loss\": *\([0-9.]*\).*/\1 $r/p" "$OUT/$1-lr$r-seed1/summary.json"
  done | sort -n | head -n 1 | cut -d ' ' -f 2
}

for r in $RATES; do all "$r" 1; done
for seed in 2 3; do
  run nested 3,12 "$STEPS" "$(best nested)" $seed
  run single 12 $((STEPS / 2)) "$(best single)" $seed
  run shallow 3 "$SHALLOW" "$(best shallow)" $seed
done
"$OUT/vcycle" runs "$OUT"/*-lr*
