package transport_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

func TestTimesWithoutTheirUnit(t *testing.T) {
	require.NoError(t, transport.ConnOptions{}.Check())
	require.NoError(t, transport.ConnOptions{ProbeAfter: -1, GiveUp: -1, MessageTimeout: -1}.Check())
	require.NoError(t, transport.ConnOptions{ProbeAfter: time.Millisecond, GiveUp: time.Hour, MessageTimeout: 3 * time.Second}.Check())
	err := transport.ConnOptions{ProbeAfter: 10, GiveUp: 5, MessageTimeout: 999_999}.Check()
	require.EqualError(t, err, "transport: ConnOptions.ProbeAfter is 10ns, and the shortest time that makes sense is 1ms: was a unit forgotten?\n"+
		"transport: ConnOptions.GiveUp is 5ns, and the shortest time that makes sense is 1ms: was a unit forgotten?\n"+
		"transport: ConnOptions.MessageTimeout is 999.999µs, and the shortest time that makes sense is 1ms: was a unit forgotten?")
}
