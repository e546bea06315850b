package hub

import (
	"fmt"
	"runtime/debug"

	"github.com/lectern-go/lectern/internal/wire"
)

// NameKind tells what Config.Name is asked for.
type NameKind string

// The kinds of names.
const (
	NameOfChannel NameKind = "channel"
	NameOfUser    NameKind = "username"
)

// checkNames refuses a create, a join or a status whose names are not valid, or not to the
// service. It puts what the service makes of them into the frame.
func (h *Hub) checkNames(f *wire.Frame) (err error) {
	if f.Channel, err = h.checkName(NameOfChannel, "channel", f.Channel); err != nil || f.Type == wire.Status {
		return err
	}
	// Where the service is asked who it is, it may give a name to who has none.
	if f.Username != "" || h.config.Authorize == nil {
		if f.Username, err = h.checkName(NameOfUser, "username", f.Username); err != nil {
			return err
		}
	}
	if f.Expect != "" && h.config.Name != nil {
		f.Expect, err = h.checkName(NameOfUser, "master", f.Expect)
	}
	return err
}

// checkName returns what the service makes of a valid name, or why the name is refused.
// field is what the frame calls it.
func (h *Hub) checkName(kind NameKind, field, name string) (string, error) {
	if !wire.ValidName(name) {
		return name, wire.BadName(field, name)
	}
	if h.config.Name == nil {
		return name, nil
	}
	given, err := h.askName(kind, name)
	if err != nil {
		return name, asRefusal(err, wire.ErrBadName.With(field+": the service does not take "+wire.Quote(name)+": choose another one"))
	}
	if !wire.ValidName(given) {
		h.config.Logger.Error("Name gave a name that is none", "name", name, "given", wire.Quote(given), "problem", wire.NameProblem(given))
		return name, wire.ErrBadName.With(field + ": the service does not take " + wire.Quote(name) + ": choose another one")
	}
	return given, nil
}

// askName calls the service's Name. A panic in it is a refusal.
func (h *Hub) askName(kind NameKind, name string) (given string, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			h.config.Logger.Error("Name panicked", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			err = fmt.Errorf("a panic: %v", cause)
		}
	}()
	given, err = h.config.Name(kind, name)
	return given, h.refusalBy(err, wire.ErrBadName)
}

// otherName is what the service makes of a name that nobody has as it is, or the name
// itself. So a frame may go on calling a channel as the join did, and a ban is of the name
// that a join would get.
func (h *Hub) otherName(kind NameKind, name string) string {
	if h.config.Name == nil || !wire.ValidName(name) {
		return name
	}
	given, err := h.askName(kind, name)
	if err != nil || !wire.ValidName(given) {
		return name
	}
	return given
}
