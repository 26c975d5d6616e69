#!/bin/sh
# The comparison of envelope.sh with a vocabulary of 4,096 tokens instead of 256, byte-level BPE learnt from the same text, at 20 tokens per
# parameter of the full depth, two rates, three seeds. About three quarters of an hour on one core.
set -eu
cd "$(dirname "$0")/../.."
OUT=${OUT:-runs/results} # below the repository, unless absolute
METHOD=${METHOD:-euler} SCALES=${SCALES:-} # as in envelope.sh
mkdir -p "$OUT"
CGO_ENABLED=0 go build -o "$OUT/vcycle" ./cmd/vcycle
text=$OUT/go-source # what train has by default: the .go files of the toolchain that are not tests
[ -d "$text" ] || {
  (cd "$(go env GOROOT)/src" && find . -name '*.go' ! -name '*_test.go' ! -path '*/testdata/*' | tar cf - -T -) | (mkdir -p "$text.tmp" && tar xf - -C "$text.tmp")
  mv "$text.tmp" "$text"
}
[ -f "$OUT/bpe4096.json" ] || "$OUT/vcycle" tokenizer train --vocab 4096 --out "$OUT/bpe4096.json" "$text"
"$OUT/vcycle" data prepare --tokenizer "$OUT/bpe4096.json" --out "$OUT/bpe4096" "$text"
of=vocabulary4096
[ "$METHOD" = euler ] || of=$of-$METHOD
"$OUT/vcycle" compare --out "$OUT/$of" --jobs 2 --data "$OUT/bpe4096" --blocks 12 --shallow 3,6 --width 24 --heads 2 --context 64 --batch 8 \
  --method "$METHOD" ${SCALES:+--residual-scales "$SCALES"} --steps 7288 --rates "${RATES:-0.002,0.004}" --seeds "${SEEDS:-1,2,3}" --schedules "${SCHEDULES:-late,adaptive}" --val-every 728 --save-every 0 --sample-bytes 0
