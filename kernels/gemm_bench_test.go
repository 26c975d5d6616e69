package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// The shapes of the benchmarks: squares, products of a training step of width 256 on 2048 tokens, and a
// few rows against a weight.
var benchShapes = []struct{ m, n, k int }{
	{64, 64, 64}, {128, 128, 128}, {256, 256, 256}, {1024, 1024, 1024},
	{2048, 256, 256}, {2048, 1024, 256}, {256, 1024, 2048}, {1, 1024, 1024}, {8, 1024, 1024},
}

func BenchmarkSgemm(b *testing.B) { benchGemm[float32, float32](b) }
func BenchmarkDgemm(b *testing.B) { benchGemm[float64, float64](b) }
func BenchmarkBgemm(b *testing.B) { benchGemm[BFloat16, float32](b) }

func benchGemm[E entry, F float](b *testing.B) {
	for _, s := range benchShapes {
		for trans, name := range []string{"NN", "TN", "NT", "TT"} {
			for _, threads := range []int{1, 2} {
				p := benchProduct[E, F](trans&1 != 0, trans&2 != 0, s.m, s.n, s.k, 1)
				p.bench(b, fmt.Sprintf("m=%d/n=%d/k=%d/trans=%s/threads=%d", s.m, s.n, s.k, name, threads), threads)
			}
		}
	}
}

// benchProduct returns batch products of random matrices without gaps.
func benchProduct[E entry, F float](transA, transB bool, m, n, k, batch int) Product[E, F] {
	rng := rand.New(rand.NewPCG(7, 8))
	p := Product[E, F]{TransA: transA, TransB: transB, M: m, N: n, K: k, Alpha: 1, LDA: k, LDB: n, LDC: n, Batch: batch, StrideA: m * k, StrideB: k * n, StrideC: m * n}
	if transA {
		p.LDA = m
	}
	if transB {
		p.LDB = k
	}
	p.A = operand[E](rng, 1, batch*m*k, batch*m*k, 1, 0)
	p.B = operand[E](rng, 1, batch*k*n, batch*k*n, 1, 0)
	p.C = make([]F, batch*m*n)
	return p
}

func (p *Product[E, F]) bench(b *testing.B, name string, threads int) {
	defer SetThreads(0)
	SetThreads(threads)
	benchEachISA(b, name, func(b *testing.B) {
		if p.Packed != nil {
			p.Packed.Pack(p.TransB, p.K, p.N, p.B, p.LDB)
		}
		for b.Loop() {
			p.Run()
		}
		flops := 2 * float64(p.M) * float64(p.N) * float64(p.K) * float64(max(1, p.Batch))
		b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	})
}

// BenchmarkProduct measures what Sgemm has no arguments for: the products of attention in one batch, a
// weight packed before, and the ends of a product.
func BenchmarkProduct(b *testing.B) {
	for _, t := range []int{64, 256, 512} {
		for _, c := range []struct {
			name string
			p    Product[float32, float32]
		}{
			{fmt.Sprintf("batch=16/m=%d/n=%d/k=32/trans=NT", t, t), benchProduct[float32, float32](false, true, t, t, 32, 16)},
			{fmt.Sprintf("batch=16/m=%d/n=32/k=%d/trans=NN", t, t), benchProduct[float32, float32](false, false, t, 32, t, 16)},
			{fmt.Sprintf("batch=16/m=%d/n=64/k=%d/trans=NN", t, t), benchProduct[float32, float32](false, false, t, 64, t, 16)},
		} {
			for _, threads := range []int{1, 2} {
				c.p.bench(b, fmt.Sprintf("%s/threads=%d", c.name, threads), threads)
			}
		}
	}
	const m, n, k = 2048, 1024, 256
	for _, c := range []struct {
		name   string
		change func(p *Product[float32, float32])
	}{
		{"plain", func(p *Product[float32, float32]) {}},
		{"packed", func(p *Product[float32, float32]) { p.Packed = new(Packed[float32, float32]) }},
		{"bias", func(p *Product[float32, float32]) { p.Bias = make([]float32, n) }},
		{"euler", func(p *Product[float32, float32]) {
			p.Alpha, p.Bias, p.Beta, p.D, p.LDD = 0.5, make([]float32, n), 1, make([]float32, m*n), n
		}},
		{"gelu", func(p *Product[float32, float32]) {
			p.Activation, p.Bias, p.Pre, p.LDPre = GELUTanh, make([]float32, n), make([]float32, m*n), n
		}},
		{"gelugrad", func(p *Product[float32, float32]) {
			p.Activation, p.Pre, p.LDPre = GELUTanhGrad, make([]float32, m*n), n
		}},
	} {
		p := benchProduct[float32, float32](false, false, m, n, k, 1)
		c.change(&p)
		p.bench(b, fmt.Sprintf("end=%s/m=%d/n=%d/k=%d/trans=NN/threads=1", c.name, m, n, k), 1)
	}
}
