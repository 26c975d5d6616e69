package main

// smoother is an exponential moving average without the bias of its start.
type smoother struct{ sum, weight float64 }

// smoothing is the share of the past in the smoothed loss: half the weight is on the last 14 steps.
const smoothing = 0.95

// add takes a value in and returns the average.
func (s *smoother) add(v float64) float64 {
	s.sum = smoothing*s.sum + (1-smoothing)*v
	s.weight = smoothing*s.weight + (1 - smoothing)
	return s.average()
}

// average returns the average of what was added, or 0 if nothing was.
func (s *smoother) average() float64 {
	if s.weight == 0 {
		return 0
	}
	return s.sum / s.weight
}
