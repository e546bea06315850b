package names_test

import (
	"context"
	"fmt"
	"log"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/examples/names"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	hub, err := lectern.NewHub(lectern.Policy{Name: names.Folded})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close()
	ctx := context.Background()

	master, err := hub.Create(ctx, "Math", "Ada")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(master.Username(), "is the master of", master.Channel())

	_, err = hub.Join(ctx, "MATH", "ADA")
	fmt.Println(err)
	// Output:
	// ada is the master of math
	// lectern: name_taken: the name "ada" is taken in "math": choose another one, or resume if it is your own
}

func TestWhatIsTheSame(t *testing.T) {
	type name = func(lectern.NameKind, string) (string, error)
	for _, test := range []struct {
		what string
		name name
		// as is how the name is written that the others are taken for.
		as     string
		others []string
		apart  []string
		bad    []string
	}{
		{"NFC", names.NFC, "José", []string{"Jose\u0301"}, []string{"jose", "Jose", "JOSÉ"}, nil},
		{"folded", names.Folded, "josé", []string{"José", "JOSE\u0301", "jose\u0301"}, []string{"jose"}, nil},
		{"folded, of another script", names.Folded, "σοφοσ", []string{"ΣΟΦΟΣ", "σοφος"}, nil, nil},
		{"PRECIS", names.PRECIS, "ada", []string{"Ada", "ＡＤＡ"}, []string{"ada1"}, []string{"ada l", "♥", "a\u00aa\u2163"}},
	} {
		t.Run(test.what, func(t *testing.T) {
			for _, other := range append(test.others, test.as) {
				given, err := test.name(lectern.NameOfUser, other)
				require.NoError(t, err)
				require.Equal(t, test.as, given, "%+q", other)
			}
			for _, apart := range test.apart {
				given, err := test.name(lectern.NameOfUser, apart)
				require.NoError(t, err)
				require.NotEqual(t, test.as, given)
				again, err := test.name(lectern.NameOfUser, given)
				require.NoError(t, err)
				require.Equal(t, given, again, "asked for again it stays")
			}
			for _, bad := range test.bad {
				_, err := test.name(lectern.NameOfUser, bad)
				require.ErrorIs(t, err, lectern.ErrBadName, "%+q", bad)
			}
		})
	}
	room, err := names.PRECIS(lectern.NameOfChannel, "Room\u3000 7")
	require.NoError(t, err)
	require.Equal(t, "Room 7", room)
}

// All that a master and a slave do is under the names that the service has made.
func TestAChannelUnderItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(lectern.Policy{Name: names.Folded})
		require.NoError(t, err)
		defer hub.Close()
		master, err := hub.Create(t.Context(), "Math", "Ms Adams")
		require.NoError(t, err)
		slave, err := hub.Join(t.Context(), "mATH", "Bob", lectern.WithMaster("MS ADAMS"))
		require.NoError(t, err)
		require.Equal(t, []string{"math", "bob"}, []string{slave.Channel(), slave.Username()})
		_, err = slave.Send(t.Context(), lectern.Text("here"))
		require.NoError(t, err)
		require.NoError(t, master.Ban(t.Context(), "BOB", "enough"))
		<-slave.Done()
		require.ErrorIs(t, slave.Err(), lectern.ErrKicked)
		_, err = hub.Join(t.Context(), "math", "boB")
		require.ErrorIs(t, err, lectern.ErrBanned)
	})
}
