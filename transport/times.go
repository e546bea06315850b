package transport

import (
	"errors"
	"fmt"
	"time"
)

// ShortestTime is the shortest time that an option can ask for. What is shorter is mostly a
// number whose unit was forgotten: 20 is 20 ns.
const ShortestTime = time.Millisecond

// CheckTime returns an error that names the option where it is a time that makes no sense.
// Zero and negative times mean something to each option, and are none.
func CheckTime(option string, given time.Duration) error {
	if given > 0 && given < ShortestTime {
		return fmt.Errorf("%s is %v, and the shortest time that makes sense is %v: was a unit forgotten?", option, given, ShortestTime)
	}
	return nil
}

// Check returns an error that names the options that make no sense. Adapters return it
// where they can, and panic with it where the options are those of a program's own set-up.
func (o ConnOptions) Check() error {
	return errors.Join(
		CheckTime("transport: ConnOptions.ProbeAfter", o.ProbeAfter),
		CheckTime("transport: ConnOptions.GiveUp", o.GiveUp),
		CheckTime("transport: ConnOptions.MessageTimeout", o.MessageTimeout),
	)
}
