package star

import "time"

// Terms are what a channel has in the place of the Limits, by the word of the service at its
// create. They stay with the channel, under whatever Limits it goes on elsewhere. The zero Terms
// leave all as it is.
type Terms struct {
	// MasterTimeout is X of rule 3, where HasMasterTimeout, unless the master asks for less.
	// Zero: when the master is away, the channel ends at once.
	MasterTimeout    time.Duration
	HasMasterTimeout bool
	// MaxSlaves bounds the slaves, and the banned names. Zero: that of the Limits.
	MaxSlaves int
}

// masterTimeout is the longest X that there may be.
func (t Terms) masterTimeout(limits *Limits) time.Duration {
	if t.HasMasterTimeout {
		return t.MasterTimeout
	}
	return limits.MasterTimeout
}

// maxSlaves is how many slaves there may be, and how many banned names.
func (t Terms) maxSlaves(limits *Limits) int {
	if t.MaxSlaves != 0 {
		return t.MaxSlaves
	}
	return limits.MaxSlaves
}
