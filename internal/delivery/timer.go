package delivery

import (
	"time"

	"github.com/lectern-go/lectern/internal/star"
)

// setTimer sets the timer to the channel's next deadline, or stops it where there is
// none. The lock is held. A running timer counts in Config.Goroutines until it is
// stopped or onTimer has returned.
func (c *Channel) setTimer(now time.Time) {
	due, ok := c.rules.Due()
	if !ok {
		if c.timer != nil && c.timer.Stop() {
			c.config.Goroutines.Done()
		}
		c.timerDue = time.Time{}
		return
	}
	if c.timerDue.Equal(due) {
		return
	}
	c.timerDue = due
	c.config.Goroutines.Add(1)
	if c.timer == nil {
		c.timer = time.AfterFunc(due.Sub(now), c.onTimer)
	} else if c.timer.Reset(due.Sub(now)) {
		c.config.Goroutines.Done()
	}
}

// onTimer runs in the timer's goroutine. Decide expires what is due. Where nothing is yet, as
// the clock was put back, the timer is set once more.
func (c *Channel) onTimer() {
	defer c.config.Goroutines.Done()
	c.Decide(func(*star.Channel, time.Time) { c.timerDue = time.Time{} })
}
