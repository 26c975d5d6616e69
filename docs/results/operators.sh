#!/bin/sh
# Growth from 3 to 6 blocks by copies and by identities, early and late, for the time of 6 blocks alone: at width 24 and 10, 20 and 40
# tokens per parameter (of 12 blocks), and with WIDE=1 at width 64 and 20. About 20 minutes on one core, and an hour and three quarters more for width 64.
set -eu
cd "$(dirname "$0")/../.."
OUT=${OUT:-runs/results} # below the repository, unless absolute
SEEDS=${SEEDS:-1}
mkdir -p "$OUT"
CGO_ENABLED=0 go build -o "$OUT/vcycle" ./cmd/vcycle

# grow NAME STEPS RATE AT... -- flags of compare
grow() {
  name=$1 steps=$2 rate=$3; shift 3
  variants=
  while [ "$1" != -- ]; do
    rest=$(awk "BEGIN { print 1 - $1 }")
    for by in interleave identity; do variants="$variants --variant $by-$1=nested;levels=3,6;level_fractions=$1,$rest;prolong=$by"; done
    shift
  done
  shift
  set -- "$@" --out "$OUT/operators-$name" --steps "$steps" --rates "$rate" --val-every $((steps / 10))
  for v in $variants; do [ "$v" = --variant ] || set -- "$@" --variant "$(echo "$v" | tr ';' ' ')"; done
  "$OUT/vcycle" compare --jobs 2 --blocks 6 --shallow 3 --batch 8 --seeds "$SEEDS" --schedules nested --save-every 0 --sample-bytes 0 "$@"
}
grow width24-10 3892 0.004 0.3 0.5 0.7 -- --width 24 --heads 2 --context 64
grow width24-20 7785 0.002 0.3 0.5 -- --width 24 --heads 2 --context 64
grow width24-40 15570 0.002 0.3 0.5 0.7 -- --width 24 --heads 2 --context 64
[ -n "${WIDE:-}" ] || exit 0
grow width64-20 23988 0.002 0.15 0.3 0.6 -- --width 64 --heads 4 --context 128
