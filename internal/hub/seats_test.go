package hub

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Few seats and many are the same to whoever uses them.
func TestSeats(t *testing.T) {
	var s seats
	want := make(map[string]*seat)
	check := func() {
		t.Helper()
		require.Equal(t, len(want), s.count())
		require.Len(t, s.all(), len(want))
		for channel, a := range want {
			require.Same(t, a, s.get(channel))
			require.Contains(t, s.all(), a)
		}
		require.Nil(t, s.get("another"))
	}
	name := func(i int) string { return fmt.Sprint("channel ", i) }
	for i := range 3 * fewSeats {
		want[name(i)] = &seat{secret: secret{0: byte(i)}}
		s.set(name(i), want[name(i)])
		check()
		want[name(i/2)] = &seat{secret: secret{1: byte(i)}}
		s.set(name(i/2), want[name(i/2)])
		check()
		if i%3 == 0 {
			delete(want, name(i))
			s.remove(name(i))
			s.remove("another")
			check()
		}
	}
	for channel := range want {
		delete(want, channel)
		s.remove(channel)
		check()
	}
}
