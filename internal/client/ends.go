package client

import "github.com/lectern-go/lectern/transport"

// EndsOf are the dialers to which one leads that adds to another one, or to several, and has a
// method Unwrap that returns them. There are none where it leads to one of another type, too.
func EndsOf[D transport.Dialer](dialer transport.Dialer) (ends []D) {
	switch d := dialer.(type) {
	case D:
		return []D{d}
	case interface{ Unwrap() transport.Dialer }:
		return EndsOf[D](d.Unwrap())
	case interface{ Unwrap() []transport.Dialer }:
		for _, place := range d.Unwrap() {
			of := EndsOf[D](place)
			if of == nil {
				return nil
			}
			ends = append(ends, of...)
		}
	}
	return ends
}
