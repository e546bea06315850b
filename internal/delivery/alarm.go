package delivery

import (
	"time"

	"github.com/lectern-go/lectern/internal/star"
)

// setAlarm sets the timer for what is due next. The lock is held. Each time that
// the timer is started counts as one of the hub's goroutines until it has been
// stopped or its goroutine has ended.
func (c *Channel) setAlarm(now time.Time) {
	due, ok := c.rules.Due()
	if !ok {
		if c.timer != nil && c.timer.Stop() {
			c.config.Goroutines.Done()
		}
		c.alarm = time.Time{}
		return
	}
	if c.alarm.Equal(due) {
		return
	}
	c.alarm = due
	c.config.Goroutines.Add(1)
	if c.timer == nil {
		c.timer = time.AfterFunc(due.Sub(now), c.ring)
	} else if c.timer.Reset(due.Sub(now)) {
		c.config.Goroutines.Done()
	}
}

// ring is the timer's goroutine.
func (c *Channel) ring() {
	defer c.config.Goroutines.Done()
	c.Decide(func(*star.Channel, time.Time) {})
}
