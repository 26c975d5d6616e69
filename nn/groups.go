package nn

// NewGroups returns zeroed groups of a network: what lies outside the blocks (token and position embedding,
// final LayerNorm), then the blocks.
func (c Config) NewGroups() []*Group {
	groups := []*Group{newGroup("embed", c.embedEntries())}
	for range c.Blocks {
		groups = append(groups, newGroup("", c.blockEntries()))
	}
	return groups
}

// embedEntries returns the entries of what lies outside the blocks.
func (c Config) embedEntries() []Entry {
	return []Entry{
		entryToken:    {Name: "wte.weight", Shape: []int{c.Vocab, c.Width}},
		entryPosition: {Name: "wpe.weight", Shape: []int{c.Context, c.Width}},
		entryGammaF:   {Name: "ln_f.weight", Shape: []int{c.Width}},
		entryBetaF:    {Name: "ln_f.bias", Shape: []int{c.Width}},
	}
}

// bindEmbed makes g the parameters outside the blocks.
func (d *Decoder) bindEmbed(g *Group) {
	d.embedding.Token, d.embedding.GradToken = g.tensors(entryToken)
	d.embedding.Position, d.embedding.GradPosition = g.tensors(entryPosition)
	d.norm = newLayerNorm(g, entryGammaF, entryBetaF)
	d.head = Head{Weight: d.embedding.Token, GradWeight: d.embedding.GradToken}
}
