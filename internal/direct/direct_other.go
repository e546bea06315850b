//go:build !unix

package direct

const supported = false

func writeOnce(uintptr, []byte, bool) (int, error) { return 0, nil }

// Receive is never called: Of returns nil.
func Receive(uintptr, []byte) (n int, arrived bool, err error) { return 0, false, nil }
