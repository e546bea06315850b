package stage

import "github.com/lectern-go/lectern"

// Outcome is the result of a request in the background.
type Outcome struct {
	lectern.Message
	Err error
}

// InBackground makes a request in a goroutine. The channel gets its outcome.
func InBackground(request func() (lectern.Message, error)) <-chan Outcome {
	c := make(chan Outcome, 1)
	go func() {
		message, err := request()
		c <- Outcome{message, err}
	}()
	return c
}
