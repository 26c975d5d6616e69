package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestFigures: the pictures are those that the code draws.
func TestFigures(t *testing.T) {
	for name, draw := range figures {
		want, err := draw()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("../../docs", name)
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n"))) != want {
			t.Errorf("%s is stale: run make figures", path)
		}
	}
}
