#!/bin/sh
# The comparison of envelope.sh at width 64, 4 heads, context 128, at 5 and 20 tokens per parameter, one seed. BUDGETS=3049 with two
# rates takes half an hour on one core, BUDGETS=12197 with one an hour.
exec env WIDTH=64 HEADS=4 CONTEXT=128 BUDGETS="${BUDGETS:-3049 12197}" RATES="${RATES:-0.002}" SEEDS="${SEEDS:-1}" "$(dirname "$0")/envelope.sh"
