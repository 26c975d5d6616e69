#!/bin/sh
# The envelope of envelope.sh, with the best residual scale h for each depth and schedule as well as the best rate; the network is an
# ordinary GPT-2 at any h, for export folds it. About an hour and a half on one core.
set -eu
cd "$(dirname "$0")/../.."
export METHOD=split SCHEDULES=adaptive
# Which scales and rates: at 20 tokens per parameter, one seed.
OUT=${OUT:-runs/results}/scales SEEDS=1 SCALES=1,0.5,0.25,0.125 RATES=0.002,0.004,0.008 BUDGETS=3688 docs/results/envelope.sh
SCALES=0.25 RATES=0.004 BUDGETS=${BUDGETS:-1844 3688 7376 14752} docs/results/envelope.sh
