package websocket

import (
	"context"
	"encoding/binary"
	"net/http"
)

type requestKey struct{}

// RequestFromContext returns the request that the connection came of, where the
// context is one that a handler of this package has passed to its server. The
// request's body and context must not be used, and it must not be changed.
func RequestFromContext(ctx context.Context) (*http.Request, bool) {
	switch r := ctx.Value(requestKey{}).(type) {
	case *http.Request:
		return r, true
	case *keptRequest:
		return r.request(), true
	}
	return nil, false
}

// A keptRequest is a request as a connection keeps it: without the body, which
// holds a buffer of the http.Server, and with a header that takes up about half
// as much as a map does.
type keptRequest struct {
	withoutHeader *http.Request
	header        string
}

func keep(r *http.Request) *keptRequest {
	kept := r.WithContext(context.Background())
	kept.Body, kept.Header = http.NoBody, nil
	return &keptRequest{withoutHeader: kept, header: packHeader(r.Header)}
}

func (k *keptRequest) request() *http.Request {
	r := *k.withoutHeader
	r.Header = unpackHeader(k.header)
	return &r
}

// packHeader writes each name, the number of its values, and these, each string
// behind its length.
func packHeader(header http.Header) string {
	var packed []byte
	add := func(s string) {
		packed = binary.AppendUvarint(packed, uint64(len(s)))
		packed = append(packed, s...)
	}
	for name, values := range header {
		add(name)
		packed = binary.AppendUvarint(packed, uint64(len(values)))
		for _, value := range values {
			add(value)
		}
	}
	return string(packed)
}

func unpackHeader(packed string) http.Header {
	header := make(http.Header)
	number := func() uint64 {
		n, size := uint64(0), 0
		for shift := 0; ; shift += 7 {
			b := packed[size]
			size++
			n |= uint64(b&0x7f) << shift
			if b < 0x80 {
				break
			}
		}
		packed = packed[size:]
		return n
	}
	next := func() string {
		n := number()
		s := packed[:n]
		packed = packed[n:]
		return s
	}
	for len(packed) > 0 {
		name := next()
		values := make([]string, number())
		for i := range values {
			values[i] = next()
		}
		header[name] = values
	}
	return header
}
