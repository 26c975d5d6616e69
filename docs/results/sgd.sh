#!/bin/sh
# The method of Lauga et al. (arXiv:2504.18590) with their optimizer, SGD, with and without momentum, against
# single-level training at equal time. The defaults are a network of width 24 on bytes at 10 tokens per parameter, minutes;
#
#	STEPS=16000 WIDTH=256 HEADS=8 BATCH=4 TOKENIZER=gpt2 docs/results/sgd.sh
#
# is the setting that they name (12 blocks, width 256, 8 heads, GPT-2's vocabulary), and takes four days on two cores with four rates and
# three seeds; with 1000 steps and one of each half an hour.
set -eu
cd "$(dirname "$0")/../.."
OUT=${OUT:-runs/results}
mkdir -p "$OUT"
CGO_ENABLED=0 go build -o "$OUT/vcycle" ./cmd/vcycle
steps=${STEPS:-1844}
for momentum in ${MOMENTA:-0 0.9}; do
  rates=0.1,0.3,1,3
  [ $momentum = 0 ] || rates=0.03,0.1,0.3,1
  "$OUT/vcycle" compare --out "$OUT/sgd-$momentum" --jobs 2 --optimizer sgd --momentum $momentum --weight-decay 0 --blocks 12 --shallow 6 \
    --width "${WIDTH:-24}" --heads "${HEADS:-2}" --context "${CONTEXT:-64}" --batch "${BATCH:-8}" --tokenizer "${TOKENIZER:-bytes}" --steps "$steps" \
    --rates "${RATES:-$rates}" --seeds "${SEEDS:-1,2,3}" --schedules reference,adaptive --val-every $((steps / 10)) --save-every 0 --sample-bytes 0
done
