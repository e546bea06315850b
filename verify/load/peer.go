package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// peer is one WebSocket connection that speaks the text form of PROTOCOL.md, in
// as little memory and time as will do, so that ten thousand of them fit beside
// the hub. Its methods are for one goroutine, but for send, which may be called
// by another one, and hangUp, which may be called by any.
type peer struct {
	conn *net.TCPConn
	r    *bufio.Reader
	buf  []byte
}

// closedBy is the error of a read that met a close frame.
type closedBy struct{ code int }

func (c closedBy) Error() string { return fmt.Sprintf("closed with %d", c.code) }

const upgrade = "GET /ws HTTP/1.1\r\nHost: lectern\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: lectern.v1\r\n\r\n"

// connect makes a TCP connection. With small, the system keeps next to nothing
// for a peer that does not read, so that it is the hub's part to do so.
func connect(ctx context.Context, address string, small bool) (*net.TCPConn, error) {
	var d net.Dialer
	if small {
		d.Control = func(_, _ string, raw syscall.RawConn) error {
			var err error
			return errors.Join(raw.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10)
			}), err)
		}
	}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// dial opens a WebSocket connection.
func dial(ctx context.Context, address string, small bool) (*peer, error) {
	c, err := connect(ctx, address, small)
	if err != nil {
		return nil, err
	}
	p := &peer{conn: c, r: bufio.NewReaderSize(c, 1<<10)}
	if err := p.shakeHands(); err != nil {
		p.hangUp()
		return nil, err
	}
	return p, nil
}

func (p *peer) shakeHands() error {
	if _, err := io.WriteString(p.conn, upgrade); err != nil {
		return err
	}
	first := true
	for {
		line, err := p.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 101")) {
			return fmt.Errorf("the handshake is answered by %q", line)
		}
		first = false
		if len(line) <= 2 {
			return nil
		}
	}
}

// send writes one text message. The key of its mask is zero.
func (p *peer) send(format string, values ...any) error {
	return p.write(0x81, fmt.Appendf(nil, format, values...))
}

func (p *peer) write(first byte, data []byte) error {
	frame := make([]byte, 0, len(data)+14)
	frame = append(frame, first)
	switch n := len(data); {
	case n < 126:
		frame = append(frame, 0x80|byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	}
	frame = append(frame, 0, 0, 0, 0)
	_, err := p.conn.Write(append(frame, data...))
	return err
}

// read returns the next message, which is valid until the next read. Pings and
// a close are answered.
func (p *peer) read() ([]byte, error) {
	for {
		first, err := p.r.ReadByte()
		if err != nil {
			return nil, err
		}
		second, err := p.r.ReadByte()
		if err != nil {
			return nil, err
		}
		n := int(second & 0x7f)
		if n >= 126 {
			var length [8]byte
			part := length[6:]
			if n == 127 {
				part = length[:]
			}
			if _, err := io.ReadFull(p.r, part); err != nil {
				return nil, err
			}
			n = int(binary.BigEndian.Uint64(length[:]))
		}
		if cap(p.buf) < n {
			p.buf = make([]byte, n)
		}
		p.buf = p.buf[:n]
		if _, err := io.ReadFull(p.r, p.buf); err != nil {
			return nil, err
		}
		switch first & 0x0f {
		case 0x1, 0x2:
			return p.buf, nil
		case 0x8:
			code := 1005
			if n >= 2 {
				code = int(binary.BigEndian.Uint16(p.buf))
			}
			return nil, closedBy{code}
		case 0x9:
			if err := p.write(0x8a, p.buf); err != nil {
				return nil, err
			}
		}
	}
}

// await reads until a message of the type comes.
func (p *peer) await(kind string) ([]byte, error) {
	start := []byte(`{"type":"` + kind + `"`)
	for {
		data, err := p.read()
		if err != nil {
			return nil, fmt.Errorf("waiting for %s: %w", kind, err)
		}
		if bytes.HasPrefix(data, start) {
			return data, nil
		}
		if bytes.HasPrefix(data, []byte(`{"type":"error"`)) {
			return nil, fmt.Errorf("waiting for %s: %s", kind, data)
		}
	}
}

// hangUp closes the TCP connection without a goodbye.
func (p *peer) hangUp() { _ = p.conn.Close() }

// reset closes it so that the hub gets a reset.
func (p *peer) reset() {
	_ = p.conn.SetLinger(0)
	_ = p.conn.Close()
}

// createChannel opens a connection and a channel on it.
func createChannel(ctx context.Context, address, channel string) (*peer, error) {
	p, err := dial(ctx, address, false)
	if err != nil {
		return nil, err
	}
	if err = p.send(`{"type":"create","ref":1,"channel":%q,"username":"master"}`, channel); err == nil {
		_, err = p.await("created")
	}
	return p, err
}

// joinChannel opens a connection and joins with it.
func joinChannel(ctx context.Context, address, channel, username string, small bool) (*peer, error) {
	p, err := dial(ctx, address, small)
	if err != nil {
		return nil, err
	}
	if err = p.send(`{"type":"join","ref":1,"channel":%q,"username":%q}`, channel, username); err == nil {
		_, err = p.await("joined")
	}
	if err != nil {
		p.hangUp()
	}
	return p, err
}

// drain reads what comes until the connection ends.
func (p *peer) drain(readers *sync.WaitGroup) {
	readers.Go(func() {
		for {
			if _, err := p.read(); err != nil {
				return
			}
		}
	})
}

// inParallel does n things, so many at a time, and returns the first error.
func inParallel(ctx context.Context, workers, n int, do func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	working.Wait()
	return context.Cause(ctx)
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// upgraded makes a TCP connection a WebSocket one.
func upgraded(p *peer) (*peer, error) {
	p.r = bufio.NewReaderSize(p.conn, 1<<10)
	return p, p.shakeHands()
}
