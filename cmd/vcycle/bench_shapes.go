package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/vcycle-go/vcycle/internal/kernelbench"
)

// maxDimension bounds the sizes in a file of shapes, so that their products fit a float64 and an int.
const maxDimension = 1 << 20

// readShapes reads a file of products, "m n k ta tb" on each line.
func readShapes(path string) ([]kernelbench.Shape, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, badInput{fmt.Errorf("--shapes: %w", plainPathError(err))}
	}
	defer f.Close()
	var shapes []kernelbench.Shape
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if strings.TrimSpace(text) == "" {
			continue
		}
		s, err := parseShape(strings.Fields(text))
		if err != nil {
			return nil, badf("%s:%d: %v", path, n, err)
		}
		shapes = append(shapes, s)
	}
	if err := lines.Err(); err != nil {
		if p := (*fs.PathError)(nil); errors.As(err, &p) {
			err = p.Err // without the path, which bufio's errors lack
		}
		return nil, badInput{fmt.Errorf("--shapes: %s: %w", path, err)}
	}
	if len(shapes) == 0 {
		return nil, badf("%s: no shape is there: a line is m n k ta tb, such as 512 256 1024 n t", path)
	}
	return shapes, nil
}

func parseShape(fields []string) (s kernelbench.Shape, err error) {
	if len(fields) != 5 {
		return s, fmt.Errorf("%d fields where m n k ta tb are expected", len(fields))
	}
	for i, p := range []*int{&s.M, &s.N, &s.K} {
		if *p, err = strconv.Atoi(fields[i]); err != nil || *p < 1 || *p > maxDimension {
			return s, fmt.Errorf("%s is %q: it must be a whole number between 1 and %d", []string{"m", "n", "k"}[i], fields[i], maxDimension)
		}
	}
	for i, name := range []string{"ta", "tb"} {
		t := fields[3+i]
		if t != "n" && t != "t" {
			return s, fmt.Errorf("%s is %q: it must be n or t", name, t)
		}
		s.Trans += strings.ToUpper(t)
	}
	limit := machineMemory() / 2
	if limit == 0 { // it cannot be told
		limit = 16 << 30
	}
	if need := s.Bytes("f64"); need > limit {
		return s, fmt.Errorf("the operands need %s in float64: there is room for %s", byteSize(float64(need)), byteSize(float64(limit)))
	}
	return s, nil
}
