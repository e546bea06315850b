package request

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

type valueKey struct{}

// What is lent has the values of the request's context until it is given back, and the
// request itself before and after.
func TestLending(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/a?b=c", nil)
	r.Header.Set("Cookie", "d=e")
	loan := NewLoan()
	lent := Lend(r.WithContext(context.WithValue(r.Context(), valueKey{}, "value")), loan)
	require.Equal(t, "value", lent.Value(valueKey{}))
	lasting := transport.ReturnContext(lent)
	loan.GiveBack() // once more
	loan.Wait()
	require.Nil(t, lasting.Value(valueKey{}))
	for _, ctx := range []context.Context{lent, lasting} {
		kept, ok := FromContext(ctx)
		require.True(t, ok)
		require.Equal(t, "/a?b=c", kept.URL.String())
		require.Equal(t, r.Header, kept.Header)
	}
	_, ok := FromContext(t.Context())
	require.False(t, ok)
	Loan(nil).Wait()
}
