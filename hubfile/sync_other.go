//go:build !unix

package hubfile

// syncDirectory has nothing to do where directories cannot be synced.
func syncDirectory(string) error { return nil }
