//go:build !linux || 386 || s390x

package direct

const ackedSupported = false

func ackedOf(uintptr) (acked uint64, waiting int, ok bool) { return 0, 0, false }
