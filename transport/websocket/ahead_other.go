//go:build !unix

package websocket

import (
	"net"
	"syscall"
)

func rawConn(net.Conn) syscall.RawConn { return nil }

func (*ahead) readRaw(uintptr) bool { return true }

func writeRaw(syscall.RawConn, []byte) int { return 0 }
