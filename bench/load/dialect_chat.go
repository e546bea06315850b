//go:build linux

package load

// Chat is Plain for gorilla's chat pattern, which puts messages together with
// line ends between. All messages have the size of Payload.
type Chat struct {
	Plain
	Payload int
}

// Read counts what is in it.
func (c *Chat) Read(message []byte) Heard {
	return Heard{Messages: (len(message) + 1) / (c.Payload + 1)}
}
