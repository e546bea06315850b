//go:build linux && !386 && !s390x

package direct

import (
	"encoding/binary"
	"syscall"
	"unsafe"
)

// On two kinds of processors the system had no number for getsockopt(2) at first.

const ackedSupported = true

// ackedAt is where the bytes that were acknowledged are in the system's struct tcp_info,
// of Linux 4.2 and newer.
const ackedAt = 120

func ackedOf(fd uintptr) (acked uint64, waiting int, ok bool) {
	var info [ackedAt + 8]byte
	size := uint32(len(info))
	_, _, err := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if err != 0 || int(size) < len(info) {
		return 0, 0, false
	}
	var queued int32
	_, _, err = syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&queued)))
	acked = binary.NativeEndian.Uint64(info[ackedAt:])
	return acked, int(queued), err == 0 && acked > 0 // zero is what a system says that does not count
}
