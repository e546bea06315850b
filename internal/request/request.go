// Package request keeps of an *http.Request what a connection that has come of it needs,
// and lends the values of its context to a server for as long as they are good. The
// adapters over HTTP share it, so that each finds the request of any of them.
package request

import (
	"context"
	"encoding/binary"
	"math/bits"
	"net/http"
)

type key struct{}

// FromContext returns the request that a connection has come of, where the context is one
// that an adapter over HTTP has passed to its server, or what has come of it by
// transport.ReturnContext. The request's body and context must not be used, and it must
// not be changed.
func FromContext(ctx context.Context) (*http.Request, bool) {
	switch r := ctx.Value(key{}).(type) {
	case *http.Request:
		return r, true
	case *kept:
		return r.request(), true
	}
	return nil, false
}

// A kept is a request as a connection keeps it: without the body, which
// holds a buffer of the http.Server, and with a header that takes up about half
// as much as a map does.
//
// It shares nothing that may change with the request that came: neither the URL nor the
// values of the path.
type kept struct {
	withoutHeader *http.Request
	header        []byte
}

func keep(r *http.Request) *kept {
	without := *r
	without.Body, without.Header = http.NoBody, nil
	return &kept{without.Clone(context.Background()), packHeader(r.Header)}
}

func (k *kept) request() *http.Request {
	r := *k.withoutHeader
	r.Header = unpackHeader(k.header)
	return &r
}

// packHeader writes each name, the number of its values, and these, each string
// behind its length.
func packHeader(header http.Header) []byte {
	size := 0
	for name, values := range header {
		size += packedSize(name) + uvarintSize(len(values))
		for _, value := range values {
			size += packedSize(value)
		}
	}
	packed := make([]byte, 0, size)
	for name, values := range header {
		packed = appendPacked(packed, name)
		packed = binary.AppendUvarint(packed, uint64(len(values)))
		for _, value := range values {
			packed = appendPacked(packed, value)
		}
	}
	return packed
}

func packedSize(s string) int { return uvarintSize(len(s)) + len(s) }

func uvarintSize(n int) int { return (bits.Len(uint(n)|1) + 6) / 7 }

func appendPacked(packed []byte, s string) []byte {
	return append(binary.AppendUvarint(packed, uint64(len(s))), s...)
}

func unpackHeader(packed []byte) http.Header {
	header := make(http.Header)
	number := func() int {
		n, size := binary.Uvarint(packed)
		packed = packed[size:]
		return int(n)
	}
	next := func() string {
		n := number()
		s := string(packed[:n])
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
