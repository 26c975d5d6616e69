// generate MODEL.gguf PROMPT TOKENS THREADS: what llama.cpp takes for a prompt of so many tokens, and then for so many
// more, each the likeliest; docs/generate.sh builds and runs it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "llama.h"

static double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  const int prompt = std::atoi(argv[2]), tokens = std::atoi(argv[3]), threads = std::atoi(argv[4]);
  llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
  llama_backend_init();
  llama_model *model = llama_model_load_from_file(argv[1], llama_model_default_params());
  if (!model) return 1;
  llama_context_params params = llama_context_default_params();
  params.n_ctx = params.n_batch = prompt + tokens + 1;
  params.n_threads = params.n_threads_batch = threads;
  llama_context *context = llama_init_from_model(model, params);
  if (!context) return 1;
  const int vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
  std::vector<llama_token> ids(prompt);
  for (int i = 0; i < prompt; i++) ids[i] = i * 37 % vocab;
  double start = seconds(), first = 0;
  llama_batch batch = llama_batch_get_one(ids.data(), prompt);
  for (int i = 0; i <= tokens; i++) {
    if (llama_decode(context, batch)) return 1;
    const float *logits = llama_get_logits_ith(context, -1);
    ids[0] = std::max_element(logits, logits + vocab) - logits;
    batch = llama_batch_get_one(ids.data(), 1);
    if (i == 0) first = seconds() - start;
  }
  std::printf("%.1f %.1f\n", prompt / first, tokens / (seconds() - start - first));
}
