# torch_step times a training step of a GPT in PyTorch: the peer of BenchmarkTrainStep in package nn.
# usage: python3 docs/torch_step.py [threads] [steps] [--vocab 256] [--batch 8] [--context 256] [--width 256] [--heads 8] [--blocks 12] [--bf16] [--cpu]
# Debian: apt-get install python3-torch libopenblas0-pthread (with the reference BLAS it is ten times slower).
import argparse, time, torch, torch.nn as nn, torch.nn.functional as F

args = argparse.ArgumentParser()
args.add_argument("threads", type=int, nargs="?", default=2)
args.add_argument("steps", type=int, nargs="?", default=5)
for name, value in dict(blocks=12, width=256, heads=8, context=256, batch=8, vocab=256).items():
    args.add_argument("--" + name, type=int, default=value)
args.add_argument("--bf16", action="store_true", help="products in bfloat16, by torch.autocast")
args.add_argument("--cpu", action="store_true", help="time of the processor, of all threads together, instead of the wall")
args = args.parse_args()
clock = time.process_time if args.cpu else time.time
threads, steps = args.threads, args.steps
torch.set_num_threads(threads)
torch.manual_seed(1)
L, C, H, T, B, V = args.blocks, args.width, args.heads, args.context, args.batch, args.vocab

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.qkv, self.proj = nn.Linear(C, 3 * C), nn.Linear(C, C)
        self.fc, self.out = nn.Linear(C, 4 * C), nn.Linear(4 * C, C)
        self.register_buffer("mask", torch.tril(torch.ones(T, T)).view(1, 1, T, T) == 0)
    def forward(self, x):
        q, k, v = self.qkv(self.ln1(x)).split(C, 2)
        q, k, v = (t.view(-1, T, H, C // H).transpose(1, 2) for t in (q, k, v))
        a = (q @ k.transpose(-2, -1) * (C // H) ** -0.5).masked_fill(self.mask, float("-inf"))
        y = (F.softmax(a, -1) @ v).transpose(1, 2).reshape(-1, T, C)
        x = x + self.proj(y)
        h = self.fc(self.ln2(x))
        try:
            h = F.gelu(h, approximate="tanh")
        except TypeError:
            h = F.gelu(h)
        return x + self.out(h)

class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(V, C), nn.Embedding(T, C)
        self.blocks, self.ln = nn.Sequential(*[Block() for _ in range(L)]), nn.LayerNorm(C)
    def forward(self, x, y):
        h = self.ln(self.blocks(self.wte(x) + self.wpe.weight))
        return F.cross_entropy((h @ self.wte.weight.T).view(-1, V), y.view(-1))

m = GPT()
opt = torch.optim.AdamW(m.parameters(), lr=1e-3)
x, y = torch.randint(V, (B, T)), torch.randint(V, (B, T))
best = 1e9
for i in range(steps + 1):
    t = clock()
    opt.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
        loss = m(x, y)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)
    opt.step()
    t = clock() - t
    if i > 0:
        best = min(best, t)
n = sum(p.numel() for p in m.parameters()) - T * C
flops = 6 * n + 12 * L * C * T
print(f"torch {torch.__version__}, {threads} threads: {B*T/best:.0f} tokens/s, {B*T*flops/best/1e9:.0f} GFLOP/s (best of {steps})")
