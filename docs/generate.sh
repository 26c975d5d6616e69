#!/usr/bin/env bash
# vcycle generate against llama.cpp, with the weights of one run on this machine: the programs run in turns, round after
# round, and the medians come out, in tokens a second: of the prompt, and of what is generated after it.
#
#	docs/generate.sh [-t THREADS] [-r ROUNDS] [-n TOKENS] LLAMA RUN PROMPT.txt
#
# LLAMA is llama.cpp's source, built with static libraries in LLAMA/build (cmake -B build -DBUILD_SHARED_LIBS=OFF
# -DLLAMA_CURL=OFF && cmake --build build --target llama); RUN is a run or a GPT-2 of Hugging Face. Close what else runs.
set -euo pipefail
usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
threads=1 rounds=5 tokens=64
while getopts t:r:n: flag; do
  case $flag in
    t) threads=$OPTARG ;; r) rounds=$OPTARG ;; n) tokens=$OPTARG ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
[ $# = 3 ] || usage
llama=$(realpath "$1") run=$(realpath "$2") prompt=$(realpath "$3")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$(dirname "$0")/.."
"${GO:-go}" build -o "$dir/vcycle" ./cmd/vcycle
g++ -O2 -std=c++17 -fopenmp -I"$llama/include" -I"$llama/ggml/include" -o "$dir/generate" docs/generate.cpp \
  "$llama"/build/src/libllama.a "$llama"/build/ggml/src/libggml.a "$llama"/build/ggml/src/libggml-cpu.a "$llama"/build/ggml/src/libggml-base.a -ldl -lpthread
"$dir/vcycle" export gguf "$run" --out "$dir/model.gguf" >/dev/null

ours() { # prompt of N tokens in Ss; then N tokens in Ss, R tokens/s
  "$dir/vcycle" generate "$run" --prompt - --tokens $((tokens + 1)) --temperature 0 --threads "$threads" --stats <"$prompt" 2>&1 >/dev/null |
    awk '/^prompt of/ { sub("s;", "", $6); printf "%.1f %.1f %d\n", $3 / $6, $(NF-1), $3 }'
}
for _ in $(seq "$rounds"); do
  o=$(ours)
  echo "vcycle ${o% *}"
  echo "llama.cpp $("$dir/generate" "$dir/model.gguf" "${o##* }" "$tokens" "$threads")"
done >"$dir/all"
for name in vcycle llama.cpp; do
  for column in 2 3; do
    grep "^$name " "$dir/all" | sort -nk$column | awk -v c=$column '{ x[NR] = $c } END { printf "%s ", x[int((NR + 1) / 2)] }'
  done | awk -v name=$name '{ printf "%-10s prompt %s tokens/s, then %s tokens/s\n", name, $1, $2 }'
done
