#!/usr/bin/env bash
# Sgemm against the libraries of C, on this machine: the programs run in turns, round after round, and a
# table of medians comes out, with ours over the best of theirs for every shape.
#
#	docs/peers.sh [-t THREADS] [-r ROUNDS] [-s SHAPES] [-i ISA] TIMER...
#
# A TIMER is a program that reads lines "m n k ta tb" and writes "NAME m n k ta tb GFLOPS" for each;
# docs/peers.c is one, and says how to build it. SHAPES is a file of such lines; without it, the shapes are
# those of `vcycle bench gemm`. Close what else runs on the machine.
set -euo pipefail
usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
threads=1 rounds=5 shapes="" isa=""
while getopts t:r:s:i: flag; do
  case $flag in
    t) threads=$OPTARG ;; r) rounds=$OPTARG ;; s) shapes=$OPTARG ;; i) isa=$OPTARG ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || usage
case $threads$rounds in *[!0-9]*) usage ;; esac
timers=("$@")
for i in "${!timers[@]}"; do
  timers[i]=$(command -v "${timers[i]}") || { echo "peers.sh: no program $1" >&2; exit 2; }
  timers[i]=$(realpath "${timers[i]}")
  shift
done

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
if [ -n "$shapes" ]; then
  shapes=$(realpath "$shapes")
fi
cd "$(dirname "$0")/.."
"${GO:-go}" build -o "$dir/vcycle" ./cmd/vcycle

# OpenBLAS takes its AVX2 kernels on AMD's newest CPUs unless it is told to take those of AVX-512.
if grep -qw avx512f /proc/cpuinfo; then
  export OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-SkylakeX}
fi
export OPENBLAS_NUM_THREADS=$threads OMP_NUM_THREADS=$threads BLIS_NUM_THREADS=$threads

# fields turns lines of JSON into "vcycle m n k ta tb GFLOPS share".
fields() {
  awk '
    function field(key, at) {
      if (!match($0, "\"" key "\":\"?[^,\"}]*")) return ""
      at = substr($0, RSTART, RLENGTH)
      sub(/^[^:]*:"?/, "", at)
      return at
    }
    field("name") == "Sgemm" {
      trans = tolower(field("trans"))
      print "vcycle", field("m"), field("n"), field("k"), substr(trans, 1, 1), substr(trans, 2, 1), field("gflops"), field("peak_share")
    }'
}
ours() { # TIME
  "$dir/vcycle" bench gemm --json --dtype f32 --threads "$threads" --rounds 1 --time "$1" \
    --isa "${isa:-$fastest}" ${shapes:+--shapes "$shapes"} 2>"$dir/stderr" | fields || { cat "$dir/stderr" >&2; return 1; }
}
fastest=$("$dir/vcycle" info | awk '/^kernels/ {sub(/,$/, "", $2); print $2}')
if [ -z "$shapes" ]; then
  ours 1us | awk '{print $2, $3, $4, $5, $6}' >"$dir/shapes"
  shapes=$dir/shapes
fi

for ((round = 0; round < rounds; round++)); do
  # The one that begins is another one in each round.
  for ((i = 0; i <= ${#timers[@]}; i++)); do
    turn=$(((i + round) % (${#timers[@]} + 1)))
    echo "round $((round + 1)) of $rounds: $( ((turn == 0)) && echo vcycle || basename "${timers[turn - 1]}")" >&2
    if ((turn == 0)); then
      ours 100ms
    else
      grep -v '^ *\(#.*\)\?$' "$shapes" | sed 's/#.*//' | env SECONDS=0.1 "${timers[turn - 1]}"
    fi | sed "s/^/$round /" >>"$dir/times"
  done
done

echo "Sgemm on $threads thread(s) of$(awk -F: '/^model name/ {print $2; exit}' /proc/cpuinfo), row ${isa:-$fastest}, GFLOP/s, medians of $rounds rounds;"
echo "ours/best is the median over the rounds of the ratio to the library that is the best on that shape."
echo
awk '
  function median(list, n,   x, i, j, t) {
    n = split(list, x, " ")
    for (i = 2; i <= n; i++) {
      t = x[i] + 0
      for (j = i - 1; j > 0 && x[j] + 0 > t; j--) x[j + 1] = x[j]
      x[j + 1] = t
    }
    return n % 2 ? x[(n + 1) / 2] + 0 : (x[n / 2] + x[n / 2 + 1]) / 2
  }
  {
    shape = $3 " " $4 " " $5 " " toupper($6 $7)
    if (!(shape in seen)) { seen[shape] = 1; order[++shapes] = shape }
    if ($2 != "vcycle" && !($2 in peer)) { peer[$2] = 1; peers[++count] = $2 }
    at[$1, $2, shape] = $8
    all[$2, shape] = all[$2, shape] " " $8
    if ($2 == "vcycle") { share[shape] = share[shape] " " $9; if ($1 + 1 > rounds) rounds = $1 + 1 }
  }
  END {
    printf "| m n k | vcycle | of the ceiling |"
    for (p = 1; p <= count; p++) printf " %s |", peers[p]
    print " ours/best |"
    printf "|---|---|---|"
    for (p = 1; p <= count; p++) printf "---|"
    print "---|"
    least = -1
    for (s = 1; s <= shapes; s++) {
      shape = order[s]
      printf "| %s | %.1f | %.0f%% |", shape, median(all["vcycle", shape]), 100 * median(share[shape])
      best = ""
      for (p = 1; p <= count; p++) {
        if (!((peers[p], shape) in all)) { printf " – |"; continue }
        g = median(all[peers[p], shape])
        printf " %.1f |", g
        if (best == "" || g > top) { best = peers[p]; top = g }
      }
      if (best == "") { print " – |"; continue }
      ratios = ""
      for (r = 0; r < rounds; r++)
        if (((r, "vcycle", shape) in at) && ((r, best, shape) in at)) ratios = ratios " " at[r, "vcycle", shape] / at[r, best, shape]
      ratio = median(ratios)
      printf " %.2f |\n", ratio
      sum += log(ratio); number++
      if (least < 0 || ratio < least) { least = ratio; where = shape }
    }
    if (number) printf "\nGeometric mean of ours/best over %d shapes: %.3f. Least: %.2f, at %s.\n", number, exp(sum / number), least, where
  }' "$dir/times"
