package nn

import "fmt"

// NewEmbed returns a zeroed group with the layout of what lies outside the blocks: token and position
// embedding, final LayerNorm.
func (d *Decoder) NewEmbed() *Group {
	c := d.cfg.Width
	return newGroup("embed", []Entry{
		entryToken:    {Name: "wte.weight", Shape: []int{d.cfg.Vocab, c}},
		entryPosition: {Name: "wpe.weight", Shape: []int{d.cfg.Context, c}},
		entryGammaF:   {Name: "ln_f.weight", Shape: []int{c}},
		entryBetaF:    {Name: "ln_f.bias", Shape: []int{c}},
	})
}

// SetGroups makes groups, in the order of Groups, the parameters of the Decoder: networks of several
// depths can take turns in its memory. The rest is as for SetBlocks.
func (d *Decoder) SetGroups(groups []*Group, stepSize float64) error {
	if len(groups) == 0 || !groups[0].sameLayout(d.groups[0]) {
		return fmt.Errorf("the first group has another layout than NewEmbed's")
	}
	if err := d.SetBlocks(groups[1:], stepSize); err != nil {
		return err
	}
	d.groups[0] = groups[0]
	d.bindEmbed(groups[0])
	d.roundFrom()
	return nil
}

// bindEmbed makes g the parameters outside the blocks.
func (d *Decoder) bindEmbed(g *Group) {
	d.embedding.Token, d.embedding.GradToken = g.tensors(entryToken)
	d.embedding.Position, d.embedding.GradPosition = g.tensors(entryPosition)
	d.norm = newLayerNorm(g, entryGammaF, entryBetaF)
	d.head = Head{Weight: d.embedding.Token, GradWeight: d.embedding.GradToken}
}
