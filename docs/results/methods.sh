#!/bin/sh
# Runge–Kutta steps against Euler steps at equal cost (as many evaluations of F), and a network that was trained on one
# grid over depth evaluated on others. Minutes.
set -eu
cd "$(dirname "$0")/../.."
OUT=${OUT:-runs/results}
mkdir -p "$OUT"
CGO_ENABLED=0 go build -o "$OUT/vcycle" ./cmd/vcycle
for case in euler,12 midpoint,6 heun,6 rk4,3; do
  method=${case%,*} blocks=${case#*,}
  for rate in 0.002 0.004 0.008; do
    dir=$OUT/methods/$method-$blocks-lr$rate
    [ -e "$dir/summary.json" ] || "$OUT/vcycle" train --out "$dir" --multilevel single --method "$method" --blocks "$blocks" \
      --width 24 --heads 2 --context 64 --batch 8 --steps 3688 --lr $rate --val-every 0 --save-every 0 --sample-bytes 0 --threads 1 >/dev/null
  done
done
"$OUT/vcycle" runs "$OUT"/methods/*
echo
echo "| steps over depth | θ constant | θ linear |"
echo "|---|---|---|"
for grid in 3 6 12 24 48; do
  printf '| %s |' $grid
  for theta in constant linear; do
    "$OUT/vcycle" eval "$OUT/methods/euler-12-lr0.004" --data "$(go env GOROOT)/test" --tokens 200000 --grid $grid --theta $theta |
      awk '$1 == "loss" {printf " %.3f |", $2}'
  done
  echo
done
