package star

// Unjudged reports whether the service is to be asked for a message before it is sent: it is
// none that was sent before, and no rule refuses it. data is the service's own, of the sender.
// Send decides all of it again.
func (c *Channel) Unjudged(a *Attachment, msg *Message) (data []byte, unjudged bool) {
	if !c.isNew(a, msg.Ref) {
		return nil, false
	}
	if _, err := c.checkSend(a.member, msg); err != nil {
		return nil, false
	}
	return a.member.granted().Data, true
}

// UnjudgedChange is Unjudged for the change of an attribute.
func (c *Channel) UnjudgedChange(a *Attachment, change *AttributeChange) (data []byte, unjudged bool) {
	if !c.isNew(a, change.Ref) || c.checkChange(a.member, change) != nil {
		return nil, false
	}
	return a.member.granted().Data, true
}

// isNew reports whether what was sent under the ref, which may be zero, was not sent before.
func (c *Channel) isNew(a *Attachment, ref uint64) bool {
	// The first frame of a newcomer ends what was known of the refs of the former client.
	return c.Hear(a) == nil && !c.isStopped() && (ref == 0 || ref > a.member.answers.highest)
}
