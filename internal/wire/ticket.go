package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// This file is the form in which all clients keep and pass on tickets.

// ticketJSON is a ticket as it is written.
type ticketJSON struct {
	Channel  string `json:"channel"`
	Username string `json:"username"`
	Role     string `json:"role"`
	Resume   string `json:"resume"`
	Epoch    uint64 `json:"epoch,omitempty"`
	Last     uint64 `json:"last,omitempty"`
}

// MarshalTicket returns the ticket whose use is the resume frame. master tells whose it is.
func MarshalTicket(resume Frame, master bool) ([]byte, error) {
	role := Slave
	if master {
		role = Master
	}
	return json.Marshal(ticketJSON{resume.Channel, resume.Username, role.String(), resume.Secret, resume.Epoch, resume.Last})
}

// UnmarshalTicket returns the resume frame by which a ticket is used, and whether it is a
// master's. It takes the form in which the client in Go wrote tickets before, too. The error,
// which is for users, names the field that is none of a ticket's.
func UnmarshalTicket(data []byte) (resume Frame, master bool, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return Frame{}, false, errors.New("lectern: no ticket: it is not a JSON object")
	}
	f := ticketFields{fields: fields}
	resume.Type = Resume
	if _, former := fields["Secret"]; former && fields["resume"] == nil {
		resume.Channel, resume.Username, master = f.name("Channel"), f.name("Username"), f.formerRole("Master")
		resume.Secret, resume.Epoch, resume.Last = f.text("Secret"), f.number("Epoch"), f.number("Last")
	} else {
		resume.Channel, resume.Username, master = f.name("channel"), f.name("username"), f.role("role")
		resume.Secret, resume.Epoch, resume.Last = f.text("resume"), f.number("epoch"), f.number("last")
	}
	if f.err != nil {
		return Frame{}, false, fmt.Errorf("lectern: no ticket: %w", f.err)
	}
	return resume, master, nil
}

// ticketFields are the fields of a ticket that is being read. err is what is wrong with the
// first one that is none of a ticket's. It does not repeat what is in the field, which may
// be a secret.
type ticketFields struct {
	fields map[string]json.RawMessage
	err    error
}

func (f *ticketFields) wrong(field, why string) {
	if f.err == nil {
		f.err = fmt.Errorf("%s: %s", field, why)
	}
}

// text is a field that must be a string, and not an empty one.
func (f *ticketFields) text(field string) string {
	var text string
	raw, ok := f.fields[field]
	switch {
	case !ok:
		f.wrong(field, "it is missing")
	case raw[0] != '"' || json.Unmarshal(raw, &text) != nil:
		f.wrong(field, "it is not a string")
	case text == "":
		f.wrong(field, "it is empty")
	}
	return text
}

// name is a field that must be a name, under the rules of any time.
func (f *ticketFields) name(field string) string {
	name := f.text(field)
	if name != "" && !Sendable(name) {
		f.wrong(field, "it is no name")
	}
	return name
}

// number is a field that may be there, and must be a whole number then.
func (f *ticketFields) number(field string) uint64 {
	raw, ok := f.fields[field]
	if !ok {
		return 0
	}
	var n uint64
	digits := len(bytes.Trim(raw, "0123456789")) == 0
	if !digits || json.Unmarshal(raw, &n) != nil || n > 1<<53 {
		f.wrong(field, "it is not a whole number from 0 to 2^53")
	}
	return n
}

// role reports whether the ticket is a master's.
func (f *ticketFields) role(field string) bool {
	switch role := f.text(field); role {
	case Master.String():
		return true
	case Slave.String(), "":
	default:
		f.wrong(field, "it is neither master nor slave")
	}
	return false
}

// formerRole is role in the form of before.
func (f *ticketFields) formerRole(field string) bool {
	switch string(f.fields[field]) {
	case "true":
		return true
	case "false":
	default:
		f.wrong(field, "it is neither true nor false")
	}
	return false
}
