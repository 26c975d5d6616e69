package multilevel

// Level is one discretisation of the depth: x_{i+1} = x_i + h·F(x_i, θ_i) for i < Blocks, with
// h = StepSize in units of t, so that the network integrates over [0, Blocks·StepSize].
type Level struct {
	Blocks   int     `json:"blocks"`
	StepSize float64 `json:"step_size"`
	Steps    int     `json:"steps"` // optimizer steps that a nested iteration spends here
}
