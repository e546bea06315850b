//go:build !unix

package websocket

import (
	"net"
	"syscall"
)

func rawConn(net.Conn) syscall.RawConn { return nil }

func (*ahead) readRaw(uintptr) bool { return true }
