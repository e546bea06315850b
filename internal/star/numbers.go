package star

import "github.com/lectern-go/lectern/internal/wire"

// This file is how slaves are found by the numbers of their memberships, where somebody asks: whoever
// applies records, and an owner that is told of seats elsewhere. The index is made then, and is kept
// from then on.

// Find returns the present attachment of the membership with that number, which is zero for the
// master, or nil where it has another epoch than that, or none.
func (c *Channel) Find(number, epoch uint64) *Attachment {
	if c.life != open {
		return nil
	}
	m := c.numbered(number)
	if m == nil || m.attachment == nil || m.epoch != epoch {
		return nil
	}
	return m.attachment
}

// numbered is the member with the number, which is zero for the master, or nil.
func (c *Channel) numbered(number uint64) *member {
	if number == 0 {
		return c.master
	}
	if c.numbers == nil {
		c.numbers = make(map[uint64]*member, len(c.slaves))
		for _, m := range c.slaves {
			c.numbers[m.number] = m
		}
	}
	return c.numbers[number]
}

// addSlave adds a slave that has its number.
func (c *Channel) addSlave(m *member) {
	c.slaves[m.name] = m
	if c.numbers != nil {
		c.numbers[m.number] = m
	}
	if c.order != nil {
		c.order.members = append(c.order.members, m) // the newest one has the highest number
	}
}

func (c *Channel) deleteSlave(m *member) {
	delete(c.slaves, m.name)
	delete(c.numbers, m.number)
	if c.order != nil {
		c.order.remove(c.isSlave)
	}
}

// roleOf is the role of the member that has the number.
func roleOf(number uint64) wire.Role {
	if number == 0 {
		return wire.Master
	}
	return wire.Slave
}
