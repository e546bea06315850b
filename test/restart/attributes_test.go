package restart

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// texts are the texts of attributes.
func texts(attributes map[string]lectern.Payload) map[string]string {
	all := make(map[string]string, len(attributes))
	for key, value := range attributes {
		all[key] = value.Text()
	}
	return all
}

// Attributes outlive their hub, with the numbers of their changes and what is known of removals:
// who comes back is told what it has missed and nothing else, and who joins is told all.
func TestAttributesOutliveTheirHub(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice", lectern.WithAttributes(map[string]lectern.Payload{"subject": lectern.Text("physics")}))
		require.NoError(t, err)
		slave, err := a.client().Join(ctx, "abc123", "user_one", lectern.WithAttributes(map[string]lectern.Payload{"hand": lectern.Text("up")}))
		require.NoError(t, err)
		require.NoError(t, master.SetAttribute(ctx, "slide", lectern.JSON(1)))
		require.NoError(t, master.SetAttribute(ctx, "gone", lectern.JSON(1)))
		stage.Broadcast(t, master, "before")
		told := func(last string) (told []string) {
			for event := stage.Next(t, slave); ; event = stage.Next(t, slave) {
				switch event := event.(type) {
				case lectern.Attribute:
					told = append(told, fmt.Sprint(event.Seq, " ", event.Key, " ", event.Value.Text()))
				case lectern.Message:
					told = append(told, fmt.Sprint(event.Seq, " ", event.Text()))
				}
				if told[len(told)-1] == last {
					return told
				}
			}
		}
		require.Equal(t, []string{"1 subject physics", "2 slide 1", "3 gone 1", "4 before"}, told("4 before"))
		require.NoError(t, master.DeleteAttribute(ctx, "gone"))
		state := a.stops(time.Second)
		time.Sleep(3 * time.Second)
		a.starts(state)

		require.NoError(t, master.SetAttribute(ctx, "slide", lectern.JSON(2)))
		require.NoError(t, slave.SetAttribute(ctx, "hand", lectern.Text("down")))
		stage.Broadcast(t, master, "after")
		require.Equal(t, []string{"5 gone ", "6 slide 2", "7 after"}, told("7 after"))
		require.Equal(t, map[string]string{"subject": "physics", "slide": "2"}, texts(slave.MasterAttributes()))
		require.Equal(t, map[string]string{"hand": "down"}, texts(master.AttributesOf("user_one")))
		late, err := a.client().Join(ctx, "abc123", "user_two")
		require.NoError(t, err)
		require.Equal(t, "subject", stage.Next(t, late).(lectern.Attribute).Key)
		require.Equal(t, "slide", stage.Next(t, late).(lectern.Attribute).Key)
		require.Len(t, late.MasterAttributes(), 2)
	})
}
