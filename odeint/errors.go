package odeint

import "fmt"

// StepSizeError says that the error estimate asks for a step that is too small for the time to change.
type StepSizeError struct{ T, H float64 }

func (e *StepSizeError) Error() string {
	return fmt.Sprintf("at t = %v the step size fell to %.3g, which rounding of t swallows: the tolerances are below what the precision of the state allows, "+
		"or the solution is singular there; raise RTol and ATol, or end before that time", e.T, e.H)
}

// MaxStepsError says that the end was not reached within Options.MaxSteps attempts.
type MaxStepsError struct {
	T, H  float64
	End   float64
	Steps int
	Stiff bool // a stiffness warning came before
}

func (e *MaxStepsError) Error() string {
	s := fmt.Sprintf("at t = %v, with steps of %.3g, %d steps are taken and t = %v is not reached; raise MaxSteps, or RTol and ATol", e.T, e.H, e.Steps, e.End)
	if e.Stiff {
		s += ", or use an implicit method: the equation looks stiff"
	}
	return s
}

// NonFiniteError says that the field or the state is NaN or infinite, and with smaller steps still is.
type NonFiniteError struct {
	T, H  float64
	Index int // of the first such element
}

func (e *NonFiniteError) Error() string {
	return fmt.Sprintf("at t = %v, with a step of %.3g, element %d of the slope or the state is NaN or infinite; check the field there, and whether the solution exists up to that time", e.T, e.H, e.Index)
}
