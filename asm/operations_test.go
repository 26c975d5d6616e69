package main

import "testing"

// TestOperations counts what it can count by hand.
func TestOperations(t *testing.T) {
	all := map[string]map[string]operations{}
	countOperations(`TEXT ·xAVX512(SB), NOSPLIT, $0-8
	VADDPS Z1, Z2, Z3
loop1:
	// Main loop, vectors an iteration: 2
	VMOVUPS (AX)(DX*4), Z0
	VMOVUPS.Z (AX)(DX*4), K1, Z0
	VPXORD  Z1, Z1, Z1
	VADDPS  (BX)(DX*4), Z0, Z0
	VMULPS.BCST c<>+0(SB), Z0, Z0
	VFNMADD231PS Z0, Z1, Z2
	VDIVPS  Z0, Z1, Z2
	VSQRTPS Z0, Z2
	VSCALEFPS.Z Z0, Z2, K1, Z2
	VMAXPS  Z0, Z1, Z1
	VPSLLD  $0x17, Z0, Z0
	VCVTPS2DQ Z0, Z0
	VPMOVZXWD (SI), Z0
	VMOVAPS Z0, Z2
	VMOVAPS Z0, K2, Z2
	VCMPPS  $0x01, Z0, Z1, K2
	KORW    K1, K2, K2
	VBROADCASTSS (SI), Z7
	VMOVUPS Z0, (CX)(DX*4)
	VMOVNTPS Z0, (CX)(DX*4)
	SUBQ    $0x20, DX
	JGE     loop1
	VADDPS  Z1, Z2, Z3
`, all)
	if got, want := all["avx512"]["x"], (operations{vector: 6, multiply: 2, add: 2.5, scale: 0.5, divide: 0.5, root: 0.5, load: 2.5, store: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
