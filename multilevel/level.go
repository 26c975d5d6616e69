package multilevel

// Level is one discretisation of the depth: x_{i+1} = x_i + h·F(x_i, θ_i) for i < Blocks, with
// h = StepSize in units of t, so that the network integrates over [0, Blocks·StepSize]. Where Relative is not
// nil, the step of block i is StepSize·Relative[i]. On a grid that is not uniform like that, blocks are
// numbered by s with t = t(s): operators that interpolate do it in s, in which the grid is uniform.
type Level struct {
	Blocks   int       `json:"blocks"`
	StepSize float64   `json:"step_size"`
	Relative []float64 `json:"relative,omitempty"`
	// Width, Heads and Context are those of the level, and 0 where all levels have those of the options.
	Width   int `json:"width,omitempty"`
	Heads   int `json:"heads,omitempty"`
	Context int `json:"context,omitempty"`

	Steps int `json:"steps"` // optimizer steps that a nested iteration spends here
}
