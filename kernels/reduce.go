package kernels

// Max returns the largest element of x: NaN if one is, as in NumPy, and −Inf if there is none. Where the
// largest are zeros of both signs, it is one of them.
func Max(x []float32) float32 {
	m := negInf
	for lo := 0; lo < len(x); lo += block {
		m = max(m, active.maxNaN(x[lo:min(lo+block, len(x))])) // NaN, if either is
	}
	return m
}

// ArgMax returns the place of the largest element of x: the first of those that are equal, where −0 equals
// 0. The first NaN, if there is one, counts as the largest, so that x[ArgMax(x)] is Max(x). It returns −1
// if x is empty. (Reference BLAS and a plain loop of comparisons would leave a NaN out, or not, depending
// on whether it comes first.)
func ArgMax(x []float32) int {
	best, from := negInf, -1
	if active.peakNaN != nil {
		for lo := 0; lo < len(x); lo += block {
			m, i := active.peakNaN(x[lo:min(lo+block, len(x))])
			switch {
			case m != m:
				return firstNaN(x, lo)
			case m > best || from < 0:
				best, from = m, lo+i
			}
		}
		return from
	}
	// A chunk is still in the first-level cache when its largest element is looked for.
	const chunk = 2048
	for lo := 0; lo < len(x); lo += chunk {
		m := active.maxNaN(x[lo:min(lo+chunk, len(x))])
		if m != m {
			return firstNaN(x, lo)
		}
		if m > best || from < 0 {
			best, from = m, lo
		}
	}
	if from < 0 {
		return -1
	}
	return from + active.find(best, x[from:min(from+chunk, len(x))])
}

// firstNaN returns the place of the first NaN from i on, where there is one.
func firstNaN(x []float32, i int) int {
	for x[i] == x[i] {
		i++
	}
	return i
}
