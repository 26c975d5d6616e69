package main

import (
	"debug/elf"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	tileName    = regexp.MustCompile(`/kernels\.(([a-z]*gemm)(\d+)x(\d+)NEON(?:BF16)?)\.abi0$`)
	multiplyAdd = regexp.MustCompile(`^(fmla|bfmmla|bfdot) `)
)

// tile is the K loop of one register tile.
type tile struct {
	name    string
	family  string // the precision
	rows    int
	tallest bool // of its family
	bf16    bool
	body    []string // without the branch back
	branch  string
	fmas    int
}

// loop returns the body for an assembler.
func (t tile) loop(label string) string {
	return label + ":\n" + strings.Join(t.body, "\n") + "\n" + t.branch + " " + label + "\n"
}

// tileSymbols returns the symbols of the register tiles that the program has.
func tileSymbols(program string) ([]string, error) {
	f, err := elf.Open(program)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Machine != elf.EM_AARCH64 {
		return nil, fmt.Errorf("%s is of %v, not arm64", program, f.Machine)
	}
	symbols, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	var names []string
	for _, s := range symbols {
		if tileName.MatchString(s.Name) {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no NEON tile", program)
	}
	return names, nil
}

var (
	symbolLine      = regexp.MustCompile(`^[0-9a-f]+ <(.+)>:$`)
	instructionLine = regexp.MustCompile(`^\s*([0-9a-f]+):\s+(\S.*)$`)
	branchTo        = regexp.MustCompile(`^(b\.\w+|cbnz|cbz) (?:\w+, )?0x([0-9a-f]+)`)
)

// loops cuts the K loops out of a disassembly by llvm-objdump, sorted by family and height.
func loops(text string) ([]tile, error) {
	var tiles []tile
	for _, function := range splitFunctions(text) {
		m := tileName.FindStringSubmatch(function.symbol)
		if m == nil {
			continue
		}
		rows, err := strconv.Atoi(m[3])
		if err != nil {
			return nil, err
		}
		t := tile{name: m[1], family: m[2], rows: rows}
		if err := t.cut(function.code); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		tiles = append(tiles, t)
	}
	families := []string{"gemm", "dgemm", "bgemm"}
	slices.SortFunc(tiles, func(a, b tile) int {
		if a.family != b.family {
			return slices.Index(families, a.family) - slices.Index(families, b.family)
		}
		return a.rows - b.rows
	})
	for i := range tiles {
		tiles[i].tallest = i+1 == len(tiles) || tiles[i+1].family != tiles[i].family
	}
	return tiles, nil
}

type instruction struct {
	address uint64
	text    string
}

type function struct {
	symbol string
	code   []instruction
}

func splitFunctions(text string) []function {
	var all []function
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := symbolLine.FindStringSubmatch(line); m != nil {
			all = append(all, function{symbol: m[1]})
			continue
		}
		m := instructionLine.FindStringSubmatch(line)
		if m == nil || len(all) == 0 {
			continue
		}
		address, err := strconv.ParseUint(m[1], 16, 64)
		if err != nil {
			continue // a line of another kind
		}
		f := &all[len(all)-1]
		f.code = append(f.code, instruction{address, strings.Join(strings.Fields(m[2]), " ")})
	}
	return all
}

// cut takes the one loop that multiplies and adds: from the target of a branch back to the branch.
func (t *tile) cut(code []instruction) error {
	for end, inst := range code {
		m := branchTo.FindStringSubmatch(inst.text)
		if m == nil {
			continue
		}
		target, err := strconv.ParseUint(m[2], 16, 64)
		if err != nil {
			return err
		}
		start := slices.IndexFunc(code, func(i instruction) bool { return i.address == target })
		if start < 0 || start >= end {
			continue
		}
		var body []string
		fmas := 0
		for _, i := range code[start:end] {
			if branchTo.MatchString(i.text) {
				return fmt.Errorf("the loop at %#x branches at %#x", target, i.address)
			}
			if multiplyAdd.MatchString(i.text) {
				fmas++
			}
			body = append(body, i.text)
		}
		if fmas == 0 {
			continue
		}
		if t.fmas > 0 {
			return fmt.Errorf("two loops multiply and add, the second at %#x", target)
		}
		t.body, t.branch, t.fmas = body, m[1], fmas
		t.bf16 = slices.ContainsFunc(body, func(s string) bool { return strings.HasPrefix(s, "bf") })
	}
	if t.fmas == 0 {
		return fmt.Errorf("no loop multiplies and adds")
	}
	return nil
}
