package direct

import (
	"io"
	"syscall"
)

// Look reads what has arrived into p, which must not be empty, without waiting and
// whatever deadline has passed. It returns 0 and no error where nothing has, and io.EOF
// at the peer's end.
func Look(raw syscall.RawConn, p []byte) (n int, err error) {
	var failed error
	arrived := false
	err = raw.Control(func(fd uintptr) { n, arrived, failed = Receive(fd, p) })
	switch {
	case err != nil:
		return 0, err
	case failed != nil:
		return 0, failed
	case arrived && n == 0:
		return 0, io.EOF
	}
	return n, nil
}
