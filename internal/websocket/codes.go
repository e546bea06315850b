package websocket

import "github.com/lectern-go/lectern/transport"

// The close codes of RFC 6455 that are used here.
const (
	closeNormal        = 1000
	closeProtocolError = 1002
	closeNoCode        = 1005 // stands for a close frame without one
	closeBadPayload    = 1007
	closeTooBig        = 1009
	closeInternalError = 1011
)

// closeCode is the code as it may stand in a close frame: what no frame may
// carry, and the zero Code, becomes a normal closure.
func closeCode(code transport.CloseCode) int {
	if inCloseFrame(int(code)) {
		return int(code)
	}
	return closeNormal
}

// inCloseFrame reports whether a close frame may carry the code, of either side: what is
// sent is taken too.
func inCloseFrame(code int) bool {
	return code >= 3000 && code <= 4999 || code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014
}
