package nn

// NewGroups returns zeroed groups of a network, which have no gradients yet: what lies outside the blocks (token and
// position embedding, final LayerNorm), then the blocks.
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
		entryToken:    {Name: "wte.weight", Shape: []int{c.Vocab, c.Width}, Axes: []Axis{AxisFixed, AxisWrites}},
		entryPosition: {Name: "wpe.weight", Shape: []int{c.Context, c.Width}, Axes: []Axis{AxisContext, AxisWrites}},
		// Token writes to the residual stream, and as the head multiplies what the final LayerNorm has made of it:
		// where a channel is there twice, that is shared among the two by the LayerNorm.
		entryGammaF: {Name: "ln_f.weight", Shape: []int{c.Width}, Axes: []Axis{AxisReads}},
		entryBetaF:  {Name: "ln_f.bias", Shape: []int{c.Width}, Axes: []Axis{AxisReads}},
	}
}

// bindEmbed makes g the parameters outside the blocks.
func (d *Decoder) bindEmbed(g *Group) {
	d.embedding.Token, d.embedding.GradToken = g.tensors(entryToken)
	d.embedding.Position, d.embedding.GradPosition = g.tensors(entryPosition)
	d.norm = newLayerNorm(g, entryGammaF, entryBetaF)
	d.head = Head{Weight: d.embedding.Token, GradWeight: d.embedding.GradToken}
}
