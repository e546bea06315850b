package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The names are spelled twice, where they are written and where they are read.
func TestNamesLeadToTheirFields(t *testing.T) {
	for t1 := range specs {
		spec := specOf(Type(t1))
		if spec == nil {
			continue
		}
		require.Equal(t, Type(t1), typeOf([]byte(spec.word)))
		require.Zero(t, spec.required&spec.optional)
		require.True(t, spec.optional.has(fieldRef), "every type may carry a ref")
		slots := map[int]bool{}
		for rest := spec.fields() &^ set(fieldNumbers); rest != 0; rest = rest.butFirst() {
			slot := slotFor(Type(t1), rest.first())
			require.Equal(t, slot, slotOf([]byte(nameOf(Type(t1), rest.first()))))
			require.False(t, slots[slot], "%s has a name twice", spec.word)
			slots[slot] = true
		}
	}
	for _, state := range []State{StateOnline, StateAway, StateLeft} {
		require.Equal(t, state, stateOf([]byte(state.String())))
	}
	for _, role := range []Role{Master, Slave} {
		require.Equal(t, role, roleOf([]byte(role.String())))
	}
}

// Every field that a type of frame has has a name and a place, no other one has, and every slot
// fits. (Numbers may be kept free between them.)
func TestFieldsAreComplete(t *testing.T) {
	require.Less(t, lastField, field(tagText))
	var frame Frame
	var used fieldSet
	for i := range specs {
		used |= specs[i].fields()
	}
	require.True(t, used.has(lastField))
	for f := fieldRef; f <= lastField; f++ {
		require.Equal(t, f == fieldNumbers || !used.has(f), fieldNames[f] == "")
		if !used.has(f) {
			require.Panics(t, func() { frame.place(f) })
			continue
		}
		value, has := frame.place(f)
		require.NotNil(t, value)
		require.False(t, isSet(value, has))
	}
	require.Panics(t, func() { frame.place(0) })
	require.Equal(t, int(lastField)+5, slotCount)
}
