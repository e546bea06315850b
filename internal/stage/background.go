package stage

import "github.com/lectern-go/lectern"

// Outcome is what came of a Request in the background.
type Outcome struct {
	lectern.Message
	Err error
}

// InBackground makes a request and gives what came of it later.
func InBackground(request func() (lectern.Message, error)) <-chan Outcome {
	c := make(chan Outcome, 1)
	go func() {
		message, err := request()
		c <- Outcome{message, err}
	}()
	return c
}
