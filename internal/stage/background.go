package stage

// Outcome is the result of a call in the background.
type Outcome[T any] struct {
	Value T
	Err   error
}

// InBackground makes a call in a goroutine. The channel gets its outcome.
func InBackground[T any](call func() (T, error)) <-chan Outcome[T] {
	c := make(chan Outcome[T], 1)
	go func() {
		value, err := call()
		c <- Outcome[T]{value, err}
	}()
	return c
}
