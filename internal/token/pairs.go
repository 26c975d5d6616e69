package token

// merged is what two neighbouring tokens become; pairs with a lower rank go first.
type merged struct{ rank, id int32 }

func pairOf(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

// pairTable maps pairs to what they become: open addressing with linear probing in a table at most half
// full. A look-up takes a third of the time of one in a map, and encoding is little else.
type pairTable struct {
	keys   []uint64 // pair + 1; 0: free
	values []merged
	shift  int
}

// newPairTable returns a table with room for n pairs.
func newPairTable(n int) *pairTable {
	bits := 4
	for 1<<bits < 2*n {
		bits++
	}
	return &pairTable{make([]uint64, 1<<bits), make([]merged, 1<<bits), 64 - bits}
}

// slot returns where the pair is or is to be put.
func (t *pairTable) slot(p uint64) int {
	i := int(scatter(p) >> t.shift)
	for t.keys[i] != 0 && t.keys[i] != p+1 {
		i = (i + 1) & (len(t.keys) - 1)
	}
	return i
}

func (t *pairTable) put(p uint64, m merged) {
	i := t.slot(p)
	t.keys[i], t.values[i] = p+1, m
}

func (t *pairTable) get(p uint64) (merged, bool) {
	i := t.slot(p)
	return t.values[i], t.keys[i] != 0
}

// scatter is Fibonacci hashing: Knuth, The Art of Computer Programming, vol. 3, §6.4.
func scatter(x uint64) uint64 { return (x ^ x>>32) * 0x9e3779b97f4a7c15 }
