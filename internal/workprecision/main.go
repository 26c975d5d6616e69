// Command workprecision draws docs/work-precision.png: the error at the end of two problems against the number
// of evaluations, for every adaptive method of odeint over tolerances, beside other codes' points from a file of
// solver, problem, tolerance, evaluations and error. It prints its own points in the same form.
//
//	go run ./internal/workprecision -peers docs/work-precision.csv -o docs/work-precision.png
package main

import (
	"bytes"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/vcycle-go/vcycle/internal/atomicfile"
	"github.com/vcycle-go/vcycle/internal/ivp"
	"github.com/vcycle-go/vcycle/odeint"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "workprecision:", err)
		os.Exit(1)
	}
}

// point is one integration.
type point struct {
	solver, problem string
	tolerance       float64
	evaluations     int
	err             float64
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("workprecision", flag.ContinueOnError)
	peers := flags.String("peers", "", "`file` of other codes' points, as docs/work-precision.py prints it")
	png := flags.String("o", "", "`file` to draw, PNG")
	least := flags.Int("digits", 12, "the least tolerance is 10 to minus this")
	most := flags.Int("evaluations", 300_000, "leave out what takes more evaluations")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var others []point
	if *peers != "" {
		text, err := os.ReadFile(*peers)
		if err != nil {
			return err
		}
		if others, err = parse(text); err != nil {
			return fmt.Errorf("%s: %w", *peers, err)
		}
	}
	points, err := measure(*least, *most)
	if err != nil {
		return err
	}
	for _, p := range points {
		fmt.Fprintf(out, "%s,%s,%.0e,%d,%.3e\n", p.solver, p.problem, p.tolerance, p.evaluations, p.err)
	}
	if *png == "" {
		return nil
	}
	image, err := draw(points, others)
	if err != nil {
		return err
	}
	return atomicfile.Write(*png, func(w io.Writer) error {
		_, err := w.Write(image)
		return err
	})
}

// measure integrates the problems with every method over tolerances 1e-3, 1e-4, …
func measure(least, most int) ([]point, error) {
	var points []point
	for _, tab := range []odeint.Tableau{odeint.Fehlberg21, odeint.Bosh3, odeint.Dopri5, odeint.Tsit5, odeint.Dopri8} {
		for _, p := range []ivp.Problem{ivp.Arenstorf, ivp.Pleiades} {
			for digits := 3; digits <= least; digits++ {
				tol := math.Pow(10, -float64(digits))
				s, err := odeint.NewIntegrator(tab, odeint.Func[float64](p.F), odeint.Options{RTol: tol, ATol: tol})
				if err != nil {
					return nil, err
				}
				var sol odeint.Solution[float64]
				if err := s.Solve(0, p.End, p.Start, &sol); err != nil {
					return nil, fmt.Errorf("%s, %s, tolerance %v: %w", tab.Name, p.Name, tol, err)
				}
				points = append(points, point{tab.Name, p.Name, tol, sol.Evaluations, p.Error(sol.X, p.Positions)})
				if sol.Evaluations*3 > most { // the next takes about this much more, or far more
					break
				}
			}
		}
	}
	return points, nil
}

func parse(text []byte) ([]point, error) {
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return nil, err
	}
	var points []point
	for i, row := range rows {
		if len(row) != 5 {
			return nil, fmt.Errorf("row %d has %d columns, want solver, problem, tolerance, evaluations, error", i+1, len(row))
		}
		tol, err1 := strconv.ParseFloat(row[2], 64)
		n, err2 := strconv.Atoi(row[3])
		e, err3 := strconv.ParseFloat(row[4], 64)
		if err1 != nil || err2 != nil || err3 != nil || n < 1 || !(e > 0) {
			return nil, fmt.Errorf("row %d is not solver, problem, tolerance, evaluations, error: %s", i+1, strings.Join(row, ","))
		}
		points = append(points, point{row[0], row[1], tol, n, e})
	}
	return points, nil
}
