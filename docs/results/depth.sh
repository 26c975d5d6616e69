#!/bin/sh
# The comparison of envelope.sh for 24 blocks at 5 and 20 tokens per parameter, one seed, one rate. About a quarter of an hour on one core.
exec env BLOCKS=24 SHALLOW=3,6,12 BUDGETS="${BUDGETS:-1768 7074}" RATES="${RATES:-0.004}" SEEDS="${SEEDS:-1}" "$(dirname "$0")/envelope.sh"
