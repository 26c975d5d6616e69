#!/usr/bin/env python3
"""check_export holds what vcycle exports to what other programs make of it.

usage: python3 docs/check_export.py VCYCLE RUN...      in the root of the repository, with Go installed

VCYCLE is the binary, a RUN a directory of a trained model that can be exported. For each run, in float32, float16 and
bfloat16, the model goes to transformers and, by xllamacpp, to llama.cpp. Compared are tokens, logits after the tokens of a
context (in float32 within 1e-4; llama.cpp gives logarithms of probabilities, and looks GELU up in a table of float16, which
is taken into account), greedy text, and the weights after a round trip, bit for bit. What transformers saves itself, with random weights, is imported and exported again, bit for bit.

    python3 -m venv venv && venv/bin/pip install torch transformers xllamacpp

Prints a table; ends with 1 if anything differs.
"""
import glob, importlib.metadata, json, os, subprocess, sys, tempfile, urllib.request
import numpy as np, torch, transformers, xllamacpp
from safetensors.torch import load_file

TEXTS = ["First Citizen:\nBefore we proceed any further, hear me speak.\n", "  two  spaces\tand\n\n lines \n", "It's 1984, isn't it? I'll pay $3.50!",
         "naïve café — 東京 🙂 \u0661\u0662 e\u0301", "def f(x):\n\treturn x**2  # <|endoftext|\n", "x", "\r\n\u00a0\u2003end "]
failed = 0
transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

def check(what, ok, figure=""):
    global failed
    failed += not ok
    print(f"  {what:60} {figure:>12} {'' if ok else 'FAILED'}")

def vcycle(*args, stdin=None):
    return subprocess.run([binary, *map(str, args)], input=stdin, stdout=subprocess.PIPE, stderr=sys.stderr, check=True).stdout

def tokens_of(name, text):
    return [int(t) for t in vcycle("tokenizer", "encode", name, stdin=text.encode()).split()]

def logits_of(run, ids):
    newest = sorted(glob.glob(os.path.join(run, "checkpoint", "*.safetensors")))[-1]
    out = subprocess.run(["go", "run", "./internal/logits", newest, *map(str, ids)], stdout=subprocess.PIPE, check=True).stdout
    return np.frombuffer(out, "<f4").reshape(len(ids), -1)

def same_tensors(a, b):
    a, b = load_file(a), load_file(b)
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and a[k].view(torch.uint8).equal(b[k].view(torch.uint8)) for k in a)

def log_softmax(x):
    return torch.log_softmax(torch.tensor(x, dtype=torch.float64), -1).numpy()

class TableGELU(torch.nn.Module):
    """GELU as ggml computes it on CPUs: argument and result are rounded to float16."""
    def forward(self, x):
        return torch.nn.functional.gelu(x.half().float(), approximate="tanh").half().float()

def with_table_gelu(exported, ids):
    model = transformers.AutoModelForCausalLM.from_pretrained(exported)
    for block in model.transformer.h:
        block.mlp.act = TableGELU()
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].numpy()

def check_transformers(run, dtype, out, name, want, ids):
    vcycle("export", "hf", run, "--out", out, "--dtype", dtype)
    model, info = transformers.AutoModelForCausalLM.from_pretrained(out, output_loading_info=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    check(f"transformers {dtype}: GPT2LMHeadModel, every tensor", type(model) is transformers.GPT2LMHeadModel and not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys")))
    check(f"transformers {dtype}: head tied, type of the weights", model.lm_head.weight.data_ptr() == model.transformer.wte.weight.data_ptr()
          and model.dtype == {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[dtype])
    if dtype == "f32":
        same = [tokenizer(t, add_special_tokens=False).input_ids == tokens_of(name, t) for t in TEXTS]
        back = [tokenizer.decode(tokens_of(name, t), clean_up_tokenization_spaces=False) == t for t in TEXTS]
        check("transformers: tokens of texts, and back", all(same) and all(back), f"{sum(same)}/{len(same)}")
    with torch.no_grad():
        got = model.float()(torch.tensor([ids])).logits[0].numpy()
    worst = float(np.abs(got - want).max())
    check(f"transformers {dtype}: logits after {len(ids)} tokens", worst < {"f32": 1e-4, "f16": 2e-2, "bf16": 2e-1}[dtype], f"{worst:.2g}")
    if dtype == "f32":
        g = model.generation_config
        check("transformers: generation_config.json", g.eos_token_id == model.config.eos_token_id and g.pad_token_id is not None)
        n, prompt = 24, TEXTS[0][:14]
        start = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
        theirs = model.generate(**start, max_new_tokens=n, do_sample=False)[0, start.input_ids.shape[1]:]
        text = tokenizer.decode(theirs[theirs != g.eos_token_id] if g.eos_token_id in theirs else theirs, clean_up_tokenization_spaces=False)
        ours = vcycle("generate", run, "--prompt", prompt, "--temperature", 0, "--tokens", n).decode(errors="replace")
        check(f"transformers: {n} greedy tokens are those of generate", ours.strip("\n") == (prompt + text).strip("\n"))

class Llama:
    """A server of llama.cpp that computes in float32, attention included."""
    def __init__(self, path, context):
        p = xllamacpp.CommonParams()
        p.model.path, p.n_ctx, p.n_parallel, p.warmup, p.verbosity = path, context, 1, False, 0
        p.cache_type_k = p.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        p.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.server = xllamacpp.Server(p)
    def ask(self, what, **question):
        r = urllib.request.Request(f"{self.server.listening_address}/{what}", json.dumps(question).encode(), {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(r))
    def tokens(self, text):
        return self.ask("tokenize", content=text, add_special=False, parse_special=False)["tokens"]
    def complete(self, ids, n, probabilities):
        r = self.ask("completion", prompt=ids, n_predict=n, n_probs=probabilities, temperature=0, cache_prompt=False, return_tokens=True)
        return r["tokens"], r.get("completion_probabilities")

def check_llama(run, dtype, out, name, want, table, ids):
    vcycle("export", "gguf", run, "--out", out, "--dtype", dtype)
    llama, vocab = Llama(out, len(ids)), want.shape[1]
    if dtype == "f32":
        same = [llama.tokens(t) == tokens_of(name, t) for t in TEXTS]
        check("llama.cpp: tokens of texts", all(same), f"{sum(same)}/{len(same)}")
    worst, plain, places = 0, 0, range(0, len(ids), max(1, len(ids) // 8))
    for i in places:
        top = llama.complete(ids[:i + 1], 1, vocab)[1][0]["top_logprobs"]
        got = np.full(vocab, np.nan)
        for t in top:
            got[t["id"]] = t["logprob"]
        plain = max(plain, float(np.abs(got - log_softmax(want[i])).max()))  # nan, if one is missing
        worst = max(worst, float(np.abs(got - log_softmax(table[i])).max()))
    at = f"log-probabilities at {len(places)} places"
    check(f"llama.cpp {dtype}: {at}", plain < {"f32": 1e-3, "f16": 2e-2, "bf16": 2e-1}[dtype], f"{plain:.2g}")
    if dtype == "f32":
        check(f"llama.cpp {dtype}: {at}, its GELU", worst < 1e-4, f"{worst:.2g}")
    if dtype == "f32":
        n, prompt = 24, TEXTS[0][:14]
        theirs = llama.complete(tokens_of(name, prompt), n, 0)[0]
        ours = vcycle("generate", run, "--prompt", prompt, "--temperature", 0, "--tokens", n)
        text = vcycle("tokenizer", "decode", name, stdin=" ".join(map(str, theirs)).encode())
        check(f"llama.cpp: {n} greedy tokens are those of generate", ours.strip(b"\n") == (prompt.encode() + text).strip(b"\n"))

def check_import(exported, work):
    vcycle("import", "hf", exported, "--out", work + "/imported")
    vcycle("export", "hf", work + "/imported", "--out", work + "/again")
    check("export, import, export: the same bits", same_tensors(exported + "/model.safetensors", work + "/again/model.safetensors"))
    model = transformers.AutoModelForCausalLM.from_pretrained(exported)
    model.save_pretrained(work + "/saved", max_shard_size="100KB")
    transformers.AutoTokenizer.from_pretrained(exported).save_pretrained(work + "/saved")
    vcycle("import", "hf", work + "/saved", "--out", work + "/imported2")
    vcycle("export", "hf", work + "/imported2", "--out", work + "/again2")
    parts = len(glob.glob(work + "/saved/*.safetensors"))
    check(f"saved by transformers in {parts} parts, import, export", same_tensors(exported + "/model.safetensors", work + "/again2/model.safetensors"))

def check_random(work):
    torch.manual_seed(1)
    config = transformers.GPT2Config(vocab_size=300, n_positions=24, n_embd=32, n_layer=2, n_head=4)
    model = transformers.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    model.save_pretrained(work + "/random")
    vcycle("import", "hf", work + "/random", "--tokenizer", "bytes", "--out", work + "/random-run")
    vcycle("export", "hf", work + "/random-run", "--out", work + "/random-again")
    check("GPT2LMHeadModel of transformers: the same bits", same_tensors(work + "/random/model.safetensors", work + "/random-again/model.safetensors"))
    ids = [(7 * i * i) % 300 for i in range(24)]
    with torch.no_grad():
        want = model(torch.tensor([ids])).logits[0].numpy()
    worst = float(np.abs(logits_of(work + "/random-run", ids) - want).max())
    check("GPT2LMHeadModel of transformers: logits of vcycle", worst < 1e-4, f"{worst:.2g}")

def main():
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, xllamacpp {importlib.metadata.version('xllamacpp')}")
    for run in runs:
        with tempfile.TemporaryDirectory() as work:
            vcycle("export", "hf", run, "--out", work + "/first")
            config = json.load(open(work + "/first/config.json"))
            name = os.path.join(run, "tokenizer.json")
            name = name if os.path.exists(name) else "bytes"
            text = open("README.md", encoding="utf-8").read()[:4000]
            ids = tokens_of(name, text)[:config["n_positions"]]
            print(f"\n{os.path.basename(os.path.normpath(run))}: {config['n_layer']} blocks, width {config['n_embd']}, {config['vocab_size']} tokens")
            want = logits_of(run, ids)
            table = with_table_gelu(work + "/first", ids)
            for dtype in ("f32", "f16", "bf16"):
                check_transformers(run, dtype, f"{work}/hf-{dtype}", name, want, ids)
                check_llama(run, dtype, f"{work}/{dtype}.gguf", name, want, table, ids)
            check_import(work + "/hf-f32", work)
    with tempfile.TemporaryDirectory() as work:
        print("\nrandom weights")
        check_random(work)
    sys.exit(1 if failed else 0)

if len(sys.argv) < 3:
    sys.exit(__doc__)
binary, runs = os.path.abspath(sys.argv[1]), sys.argv[2:]
main()
