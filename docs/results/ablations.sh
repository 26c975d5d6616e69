#!/bin/sh
# What nested iteration is made of, one thing at a time, at 20 tokens per parameter, rate 0.004: when the depth grows, from
# how many blocks, by which operator, with which moments, step size and warm-up, and with a coarse context or width. About
# half an hour on one core for two seeds.
set -eu
cd "$(dirname "$0")/../.."
OUT=${OUT:-runs/results} # below the repository, unless absolute
mkdir -p "$OUT"
CGO_ENABLED=0 go build -o "$OUT/vcycle" ./cmd/vcycle
late="levels=3,12 level_fractions=0.7,0.3" # the way that is varied
"$OUT/vcycle" compare --out "$OUT/ablations" --jobs 2 --blocks 12 --shallow 3,6 --width 24 --heads 2 --context 64 --batch 8 --steps 3688 \
  --rates 0.004 --seeds "${SEEDS:-1,2}" --schedules mgopt --val-every 368 --save-every 0 --sample-bytes 0 \
  --variant "base=nested $late" \
  --variant "at30=nested levels=3,12 level_fractions=0.3,0.7" \
  --variant "at50=nested levels=3,12 level_fractions=0.5,0.5" \
  --variant "at85=nested levels=3,12 level_fractions=0.85,0.15" \
  --variant "interleave=nested $late prolong=interleave" \
  --variant "stack=nested $late prolong=stack" \
  --variant "grow=nested $late prolong=grow" \
  --variant "linear=nested $late prolong=linear" \
  --variant "random=nested $late prolong=random" \
  --variant "reset=nested $late moments=reset" \
  --variant "rewarm=nested $late rewarm=100" \
  --variant "reset-rewarm=nested $late moments=reset rewarm=100" \
  --variant "interleave-rewarm=nested $late prolong=interleave rewarm=100" \
  --variant "interleave-divide=nested $late prolong=interleave step_size_policy=divide" \
  --variant "interleave-rescale=nested $late prolong=interleave step_size_policy=divide moments=rescale" \
  --variant "interleave-scale=nested $late prolong=interleave step_size_policy=scale" \
  --variant "from1=nested levels=1,12 level_fractions=0.7,0.3" \
  --variant "from2=nested levels=2,12 level_fractions=0.7,0.3" \
  --variant "from6=nested levels=6,12 level_fractions=0.7,0.3" \
  --variant "to6to12=nested levels=3,6,12 level_fractions=0.5,0.2,0.3" \
  --variant "to6=nested levels=3,6,12 level_fractions=0.7,0.297,0.003" \
  --variant "context32=nested $late level_contexts=32,64" \
  --variant "context16=nested $late level_contexts=16,64" \
  --variant "width12=nested $late level_widths=12,24 prolong=interleave" \
  --variant "narrow12=nested levels=12,12 level_widths=12,24 level_fractions=0.7,0.3" \
  --variant "rates2=nested $late level_rates=2,1" \
  --variant "rates-half=nested $late level_rates=0.5,1" \
  --variant "narrow6=nested levels=6,12 level_widths=12,24 level_fractions=0.7,0.3" \
  --variant "narrow66=nested levels=6,6,12 level_widths=12,24,24 level_fractions=0.35,0.5,0.15" \
  --variant "context-alone=nested levels=12,12 level_fractions=0.7,0.3 level_contexts=16,64"
