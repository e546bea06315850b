package star

// Unjudged reports whether the service is to be asked for a message before it is sent: it is
// none that was sent before, and no rule refuses it. data is the service's own, of the sender.
// Send decides all of it again.
func (c *Channel) Unjudged(a *Attachment, msg *Message) (data []byte, unjudged bool) {
	// The first frame of a newcomer ends what was known of the refs of the former client.
	if c.Hear(a) != nil || c.isStopped() {
		return nil, false
	}
	m := a.member
	if msg.Ref != 0 && msg.Ref <= m.answers.highest {
		return nil, false
	}
	if _, err := c.checkSend(m, msg); err != nil {
		return nil, false
	}
	return m.granted().Data, true
}
