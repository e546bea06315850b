package client

// changes are the changes of attributes that wait to be taken from an Inbox. Of an attribute at
// most two wait: that the value which was taken last is gone, and behind that the newest value. So
// there are never more than two for each attribute that there is or that was taken, however often
// it changes, and whatever keys come and go. They are never dropped.
type changes[E any] struct {
	// members has, by member and by key, what waits.
	members map[string]map[string]*waitingChanges[E]
	// queue[head:] is what waits, in its order, with what a newer one has followed.
	queue    []*change[E]
	head     int
	followed int
}

// change is one that waits, behind so many other events of the inbox since its beginning.
type change[E any] struct {
	of       attributeOf
	event    E
	deleted  bool
	followed bool // a newer one has taken its place
	behind   int
}

// waitingChanges are the changes of one attribute. known: the one who takes knows a value of it.
type waitingChanges[E any] struct {
	known           bool
	deletion, value *change[E]
}

// attributeOf is an attribute of a member.
type attributeOf struct{ from, key string }

// first is the oldest one that waits, or nil.
func (c *changes[E]) first() *change[E] {
	if c == nil {
		return nil
	}
	for ; c.head < len(c.queue); c.head++ {
		if next := c.queue[c.head]; !next.followed {
			return next
		}
		c.queue[c.head] = nil
		c.followed--
	}
	return nil
}

// add adds a change.
func (c *changes[E]) add(added *change[E]) {
	of := added.of
	if c.members == nil {
		c.members = make(map[string]map[string]*waitingChanges[E])
	}
	if c.members[of.from] == nil {
		c.members[of.from] = make(map[string]*waitingChanges[E])
	}
	state := c.members[of.from][of.key]
	if state == nil {
		state = new(waitingChanges[E])
		c.members[of.from][of.key] = state
	}
	c.follow(state.value)
	state.value = nil
	switch {
	case !added.deleted:
		state.value = added
		c.queue = append(c.queue, added)
	case state.known && state.deletion == nil:
		state.deletion = added
		c.queue = append(c.queue, added)
	}
	c.clean(of, state)
}

// take takes the first one, which there must be.
func (c *changes[E]) take() E {
	taken := c.first()
	c.queue[c.head] = nil
	c.head++
	state := c.members[taken.of.from][taken.of.key]
	if state.known = !taken.deleted; taken.deleted {
		state.deletion = nil
	} else {
		state.value = nil
	}
	c.clean(taken.of, state)
	return taken.event
}

// forget takes out what is of a member whose membership is over.
func (c *changes[E]) forget(from string) {
	for _, state := range c.members[from] {
		c.follow(state.deletion)
		c.follow(state.value)
	}
	delete(c.members, from)
	c.compact()
}

// follow notes that the change, which may be nil, is not to be taken any more.
func (c *changes[E]) follow(old *change[E]) {
	if old != nil {
		old.followed = true
		c.followed++
	}
}

// clean forgets an attribute of which nothing waits and no value is known.
func (c *changes[E]) clean(of attributeOf, state *waitingChanges[E]) {
	if !state.known && state.deletion == nil && state.value == nil {
		delete(c.members[of.from], of.key)
		if len(c.members[of.from]) == 0 {
			delete(c.members, of.from)
		}
	}
	c.compact()
}

// compact makes the queue anew where more than half of it does not wait.
func (c *changes[E]) compact() {
	if idle := c.head + c.followed; idle <= 32 || idle*2 <= len(c.queue) {
		return
	}
	kept := make([]*change[E], 0, len(c.queue)-c.head-c.followed)
	for _, each := range c.queue[c.head:] {
		if !each.followed {
			kept = append(kept, each)
		}
	}
	c.queue, c.head, c.followed = kept, 0, 0
}
