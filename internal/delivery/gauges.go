package delivery

import "github.com/lectern-go/lectern/internal/star"

// gauges are what the Observer was told of one channel, of those metrics that rise and fall: a hub that does not
// decide the channel any more takes back what it has told, and whoever decides it next tells it anew. By the rules it
// could not be found out, since they may have decided what was never committed.
type gauges struct{ channels, slaves int64 }

func (g *gauges) add(e *star.Effect) {
	switch e.Metric {
	case star.Channels:
		g.channels += e.Delta
	case star.Slaves:
		g.slaves += e.Delta
	}
}

// tellMoved tells the service that this hub does not decide the channel any more: what the gauges have of it is taken back,
// and those that listen hear of it. The lock is not held.
func (c *Channel) tellMoved(told gauges) {
	c.config.Watch.moved(c)
	if told.channels != 0 {
		c.config.Observer.Add(star.Channels, "", -told.channels)
	}
	if told.slaves != 0 {
		c.config.Observer.Add(star.Slaves, "", -told.slaves)
	}
}
