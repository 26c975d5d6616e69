package main

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"testing"
)

// constantsOf returns the constants that Go files declare, evaluated without rounding.
func constantsOf(t *testing.T, paths ...string) map[string]constant.Value {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	// What the files import is of no interest here, so that errors about it are ignored.
	conf := types.Config{Error: func(error) {}}
	pkg, _ := conf.Check("constants", fset, files, nil)
	values := map[string]constant.Value{}
	for _, name := range pkg.Scope().Names() {
		if c, ok := pkg.Scope().Lookup(name).(*types.Const); ok {
			values[name] = c.Val()
		}
	}
	return values
}

// TestConstants holds the constants of the generators to those of the definitions in Go.
func TestConstants(t *testing.T) {
	want := constantsOf(t, filepath.Join(kernelsDir, "exp_generic.go"), filepath.Join(kernelsDir, "gelu_generic.go"),
		filepath.Join(kernelsDir, "elementary_generic.go"), filepath.Join(kernelsDir, "gates_generic.go"))
	got := constantsOf(t, "constants.go")
	if len(got) == 0 {
		t.Fatal("found no constant")
	}
	for name, g := range got {
		if w, ok := want[name]; !ok || !constant.Compare(g, token.EQL, w) {
			t.Errorf("%s is %s, package kernels has %v", name, g.ExactString(), w)
		}
	}
}
