// Package failing has a test that fails.
package failing

// Same compares.
func Same(a, b int) bool { return a == b }
