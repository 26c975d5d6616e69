package kernels

import "math"

// The exponential that sums and gates take: exp(t) = 2ⁿ·exp(r) with n = round(t/ln 2) and r = t − n·ln 2, where ln 2
// is in two parts so that n·ln2Hi is exact, and exp(r) = 1 + r + r²·q(r).
//
// The coefficients of q minimise the relative error of exp(r) on |r| ≤ ln 2/2, which is 2⁻²⁸ (Remez
// exchange). They are doubled here, because the result is scaled by 2ⁿ⁻¹: that is a finite number for
// n = 128, where t is near ln(MaxFloat32), and its bits are 0 for n = −126, so that what would be
// subnormal becomes 0. Adding expMagic rounds to an integer and leaves the bits of n+126 at the low end,
// from where a shift moves them to the exponent.
//
// Reference for the reduction: Cody and Waite, Software Manual for the Elementary Functions, 1980, §6.
const (
	expHi    = 89          // exp(89) overflows
	expLo    = -87.5       // n = −126
	expLog2e = 1.442695041 // 1/ln 2
	expMagic = 3<<22 + 126
	expLn2Hi = 0.693359375 // ten bits
	expLn2Lo = -2.12194440e-4
	expC2    = 2 * 0.499999934321
	expC3    = 2 * 0.16666520399
	expC4    = 2 * 0.0416683907835
	expC5    = 2 * 0.00836874510894
	expC6    = 2 * 0.00138145401768
)

// expElement returns exp(t) to 2 ULP; measured 1.14, and 0.86 where products are fused. exp(t) is 0 for
// t < −86.99, where it is less than 1.66e−38, and +Inf for t ≥ 88.722839. NaN propagates.
func expElement(t float32) float32 {
	return expReduced(max(expLo, min(expHi, t)))
}

// expReduced is expElement for −87.6 ≤ t ≤ 89, or NaN.
func expReduced(t float32) float32 {
	k := float32(t*expLog2e) + expMagic
	n := k - expMagic
	r := t - float32(n*expLn2Hi)
	r -= float32(n * expLn2Lo)
	p := float32(r*expC6) + expC5
	p = float32(p*r) + expC4
	p = float32(p*r) + expC3
	p = float32(p*r) + expC2
	p = float32(p*r) + 2
	p = float32(p*r) + 2
	return p * math.Float32frombits(math.Float32bits(k)<<23)
}
