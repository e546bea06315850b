package client

import (
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// transientRefusals are refusals that say nothing about the membership or its requests:
// the same frame can succeed later.
var transientRefusals = []*wire.Cause{wire.ErrBusy, wire.ErrShuttingDown, wire.ErrRateLimited}

// isOfShutdown reports whether an answer is the refusal of a hub that takes on nothing new.
// Nothing has happened then, and the hub does not remember that it was asked.
func isOfShutdown(answer *wire.Frame) bool {
	return answer.Type == wire.Error && answer.Code == string(wire.ErrShuttingDown.Code)
}

// isTransient reports whether the refusal is a transient one.
func isTransient(why *wire.Cause) bool {
	return slices.ContainsFunc(transientRefusals, func(p *wire.Cause) bool { return why.Code == p.Code })
}

// refusalIn is the refusal in an answer, or nil where the answer is none.
func refusalIn(answer *wire.Frame) *wire.Cause {
	if answer.Type != wire.Error {
		return nil
	}
	return &wire.Cause{Code: wire.Code(answer.Code), Text: answer.Reason}
}
