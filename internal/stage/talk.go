package stage

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// Broadcast sends the text to all slaves.
func Broadcast(t *testing.T, master *lectern.Master, text string) {
	t.Helper()
	_, err := master.Broadcast(Within(t), lectern.Text(text))
	require.NoError(t, err)
}

// Tell sends the text to one slave.
func Tell(t *testing.T, master *lectern.Master, to, text string) {
	t.Helper()
	_, err := master.Send(Within(t), to, lectern.Text(text))
	require.NoError(t, err)
}

// Say sends the text to the master.
func Say(t *testing.T, slave *lectern.Slave, text string) {
	t.Helper()
	_, err := slave.Send(Within(t), lectern.Text(text))
	require.NoError(t, err)
}

// Receive expects the texts as the slave's next messages.
func Receive(t *testing.T, slave *lectern.Slave, texts ...string) {
	t.Helper()
	for _, text := range texts {
		message, err := slave.Receive(Within(t))
		require.NoError(t, err, "instead of %q", text)
		require.Equal(t, text, message.Text())
	}
}
