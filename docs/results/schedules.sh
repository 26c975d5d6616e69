#!/bin/sh
# Every schedule, single-level training at three depths, and their best rates, at 20 tokens per parameter: the third
# budget of envelope.sh, whose runs it shares. Three quarters of an hour on one core.
exec env BUDGETS=3688 SCHEDULES=adaptive,nested,late,staged,stacking,gstack,midas,zou,reference,v-cycle,w-cycle,f-cycle,mgopt "$(dirname "$0")/envelope.sh"
