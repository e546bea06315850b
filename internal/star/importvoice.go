package star

import (
	"fmt"

	"github.com/lectern-go/lectern/internal/wire"
)

// voice reads that all slaves are muted, or an exception.
func (i *Import) voice(d *piecesIn) error {
	c := i.r.c
	name := d.optionalName()
	if d.err != nil {
		return nil
	}
	if name == "" {
		if c.voice.all || len(c.voice.exceptions) > 0 {
			return fmt.Errorf("channel %s says twice, or too late, that all are muted", wire.Quote(c.name))
		}
		c.voice.all = true
		return nil
	}
	if most := c.terms.maxSlaves(i.limits); len(c.voice.exceptions) >= most && !i.elsewhere {
		return &OverLimit{Channel: c.name, What: fmt.Sprint(most+1, " or more names that are muted or not as exceptions"), Name: "MaxSlaves", Limit: most}
	}
	i.r.exception(name)
	return i.r.err
}
