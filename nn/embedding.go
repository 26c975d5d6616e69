package nn

import (
	"fmt"

	"github.com/vcycle-go/vcycle/kernels"
	"github.com/vcycle-go/vcycle/tensor"
)

// Embedding is x_i = Token[token_i] + Position[i mod T] for rows i of sequences of T tokens.
type Embedding struct {
	Token, Position         tensor.Tensor // [V, C], [Context, C]
	GradToken, GradPosition tensor.Tensor
}

// Forward computes x [len(ids), C]; length is T. It panics if a token is not in [0, V).
func (e *Embedding) Forward(w *Workspace, ids []int32, length int, x tensor.Tensor) {
	vocab, c := e.Token.Dim(0), e.Token.Dim(1)
	checkIDs("Embedding", "token", ids, vocab)
	w.embed = embedTask{ids: ids, length: length, cols: c, token: e.Token.Data(), position: e.Position.Data(), x: x.Data()}
	parallel(3*len(w.embed.x) >= leastElements, len(ids), rowGrain, &w.embed)
}

// Backward adds the gradient dx of x to the gradients of the tables. It works by ranges of columns, so
// that rows of the same token are added in their order, by one thread.
func (e *Embedding) Backward(w *Workspace, ids []int32, length int, dx tensor.Tensor) {
	c := e.Token.Dim(1)
	w.embedBackward = embedBackwardTask{embedTask{ids: ids, length: length, cols: c, token: e.GradToken.Data(), position: e.GradPosition.Data(), x: dx.Data()}}
	parallel(3*len(w.embedBackward.x) >= leastElements, c, columnGrain, &w.embedBackward)
}

// checkIDs panics unless all ids are in [0, vocab). It comes before Parallel: nobody can recover from a
// panic in a worker.
func checkIDs(fn, what string, ids []int32, vocab int) {
	for i, id := range ids {
		if id < 0 || int(id) >= vocab {
			panic(fmt.Sprintf("nn: %s: %s %d at position %d; the vocabulary has %d", fn, what, id, i, vocab))
		}
	}
}

type embedTask struct {
	ids                []int32
	length, cols       int
	token, position, x []float32
}

func (t *embedTask) Run(_, lo, hi int) {
	c := t.cols
	for i := lo; i < hi; i++ {
		tok, pos := int(t.ids[i])*c, i%t.length*c
		kernels.Euler(1, t.token[tok:tok+c], t.position[pos:pos+c], t.x[i*c:(i+1)*c])
	}
}

type embedBackwardTask struct{ embedTask }

func (t *embedBackwardTask) Run(_, lo, hi int) {
	c := t.cols
	for i, id := range t.ids {
		tok, pos := int(id)*c, i%t.length*c
		kernels.Axpy(1, t.x[i*c+lo:i*c+hi], t.token[tok+lo:tok+hi])
		kernels.Axpy(1, t.x[i*c+lo:i*c+hi], t.position[pos+lo:pos+hi])
	}
}
