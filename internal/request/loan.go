package request

import (
	"context"
	"net/http"
)

// A Loan is how long the values of a request are lent to the server: the request's
// goroutine waits for their return. Nobody waits where it is nil.
type Loan chan struct{}

// Wait returns when the values have come back.
func (l Loan) Wait() {
	if l != nil {
		<-l
	}
}

// NewLoan returns one that is not given back yet.
func NewLoan() Loan { return make(Loan, 1) }

// GiveBack may be called several times, before somebody waits too.
func (l Loan) GiveBack() {
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
	loan    Loan
}

// Lend returns the context for the connection that the request becomes. The caller
// has to wait for the end of the loan.
func Lend(r *http.Request, l Loan) context.Context {
	k := keep(r)
	return &lentContext{
		Context: context.WithValue(context.WithoutCancel(r.Context()), key{}, k),
		lasting: context.WithValue(context.Background(), key{}, k),
		loan:    l,
	}
}

// Kept returns a context that has the request alone, of which it keeps nothing that is good only
// for as long as the request's handler runs.
func Kept(r *http.Request) context.Context {
	return context.WithValue(context.Background(), key{}, keep(r))
}

func (c *lentContext) Return() context.Context {
	c.loan.GiveBack()
	return c.lasting
}
