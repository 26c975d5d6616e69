#!/bin/sh
# Cosine instead of WSD at 20 tokens per parameter, three seeds: single-level training at three depths, late growth, nested iteration and adaptive. About
# half an hour on one core.
set -eu
cd "$(dirname "$0")/../.."
OUT=${OUT:-runs/results} # below the repository, unless absolute
METHOD=${METHOD:-euler} SCALES=${SCALES:-} # as in envelope.sh
mkdir -p "$OUT"
CGO_ENABLED=0 go build -o "$OUT/vcycle" ./cmd/vcycle
of=cosine
[ "$METHOD" = euler ] || of=$of-$METHOD
"$OUT/vcycle" compare --out "$OUT/$of" --jobs 2 --blocks 12 --shallow 3,6 --width 24 --heads 2 --context 64 --batch 8 --method "$METHOD" ${SCALES:+--residual-scales "$SCALES"} --steps 3688 \
  --lr-schedules cosine --rates "${RATES:-0.002,0.004,0.008}" --seeds "${SEEDS:-1,2,3}" --schedules "${SCHEDULES:-late,nested,staged,adaptive}" --val-every 368 --save-every 0 --sample-bytes 0
