package request

import (
	"context"
	"errors"
	"net/http"
)

// Context is the context for a connection that the request becomes, for as long as the
// request's handler runs. A deadline that some middleware has set does not end it: that is
// meant for an answer.
func Context(r *http.Request) (context.Context, context.CancelFunc) {
	ctx := context.WithValue(r.Context(), key{}, r)
	if _, ok := ctx.Deadline(); !ok {
		return ctx, func() {}
	}
	lasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			cancel(context.Cause(ctx))
		}
	})
	return lasting, func() {
		stop()
		cancel(nil)
	}
}

// LastingBase returns the http.Server of the request where the context of its
// connections never ends: by itself it ends with the request's handler, and what
// it is made of is not to be had then.
func LastingBase(r *http.Request) *http.Server {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok || server.BaseContext != nil || server.ConnContext != nil {
		return nil
	}
	return server
}
