package websocket

import (
	"context"
	"net/http"
)

// A loan is how long the values of a request are lent to the server: the request's
// goroutine waits for their return. Nobody waits where it is nil.
type loan chan struct{}

func (l loan) wait() {
	if l != nil {
		<-l
	}
}

// giveBack may be called several times, before somebody waits too.
func (l loan) giveBack() {
	select {
	case l <- struct{}{}:
	default:
	}
}

// A lentContext has the values of a request's context. It is a
// transport.LentContext.
type lentContext struct {
	context.Context
	lasting context.Context // what stays
	loan    loan
}

// lend returns the context for the connection that the request becomes. The caller
// has to wait for the end of the loan.
func lend(r *http.Request, l loan) context.Context {
	kept := keep(r)
	return &lentContext{
		Context: context.WithValue(context.WithoutCancel(r.Context()), requestKey{}, kept),
		lasting: context.WithValue(context.Background(), requestKey{}, kept),
		loan:    l,
	}
}

func (c *lentContext) Return() context.Context {
	c.loan.giveBack()
	return c.lasting
}
