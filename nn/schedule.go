package nn

import "math"

// Schedule gives the learning rate of each step; steps count from 0.
type Schedule interface {
	LR(step int) float64
}

// WSD warms up linearly for Warmup steps, stays at Peak, and decays linearly to Final·Peak over the last
// DecayFraction of Total steps (warm-up, stable, decay: Hu et al., MiniCPM, 2024, §4).
type WSD struct {
	Peak          float64
	Warmup, Total int
	DecayFraction float64
	Final         float64 // fraction of Peak at the last step
}

// LR returns the learning rate of a step. The first step of the warm-up is at Peak/Warmup, the last of
// the decay, Total − 1, at Final·Peak, where it stays. Without decay it stays at Peak.
func (s WSD) LR(step int) float64 {
	if step < s.Warmup {
		return s.Peak * float64(step+1) / float64(s.Warmup)
	}
	decay := s.DecayFraction * float64(s.Total)
	left := float64(s.Total - 1 - step) // steps after this one
	if decay <= 0 || left >= decay {
		return s.Peak
	}
	return s.Peak * (s.Final + (1-s.Final)*max(0, left)/decay)
}

// Cosine warms up linearly for Warmup steps and follows half a cosine from Peak to Final·Peak at the
// last step, Total − 1 (Loshchilov and Hutter, SGDR, ICLR 2017, eq. 5).
type Cosine struct {
	Peak          float64
	Warmup, Total int
	Final         float64 // fraction of Peak at the last step
}

// LR returns the learning rate of a step; after the last one it stays at Final·Peak.
func (s Cosine) LR(step int) float64 {
	if step < s.Warmup {
		return s.Peak * float64(step+1) / float64(s.Warmup)
	}
	progress := 1.0
	if last := s.Total - 1; step < last {
		progress = float64(step-s.Warmup) / float64(last-s.Warmup)
	}
	return s.Peak * (s.Final + (1-s.Final)*(1+math.Cos(math.Pi*progress))/2)
}
