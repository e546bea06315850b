package servers

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync"
)

// raw is a server without a library: the least of a WebSocket handshake and of
// its frames, on plain connections. The two limits are made of it.
type raw struct {
	listener net.Listener
	accepted sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]struct{}
	count    func() int
}

// serveRaw runs handle for each connection after its handshake.
func serveRaw(handle func(number int, conn net.Conn, r *bufio.Reader), count func() int) (Server, error) {
	listener, err := listen()
	if err != nil {
		return nil, err
	}
	s := &raw{listener: listener, conns: make(map[net.Conn]struct{}), count: count}
	s.accepted.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[conn] = struct{}{}
			s.mu.Unlock()
			s.accepted.Go(func() {
				defer func() {
					s.mu.Lock()
					delete(s.conns, conn)
					s.mu.Unlock()
					_ = conn.Close()
				}()
				r := bufio.NewReaderSize(conn, 4<<10)
				if number, err := shakeHands(conn, r); err == nil {
					handle(number, conn, r)
				}
			})
		}
	})
	return s, nil
}

func (s *raw) Addr() net.Addr { return s.listener.Addr() }
func (s *raw) Members() int   { return s.count() }

func (s *raw) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.accepted.Wait()
	return err
}

// shakeHands answers the upgrade and returns who it is.
func shakeHands(conn net.Conn, r *bufio.Reader) (int, error) {
	request, err := http.ReadRequest(r)
	if err != nil {
		return 0, err
	}
	sum := sha1.Sum([]byte(request.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
	return role(request.URL.Path), err
}

// nextMessage reads one message of a client into buf. The load generator's
// masks are zero, so there is nothing to take off; its messages are short.
func nextMessage(r *bufio.Reader, buf []byte) ([]byte, error) {
	var header [8]byte
	if _, err := io.ReadFull(r, header[:2]); err != nil {
		return nil, err
	}
	size := int(header[1] & 0x7f)
	if size == 126 {
		if _, err := io.ReadFull(r, header[2:4]); err != nil {
			return nil, err
		}
		size = int(binary.BigEndian.Uint16(header[2:4]))
	}
	if _, err := io.ReadFull(r, header[:4]); err != nil { // the mask
		return nil, err
	}
	_, err := io.ReadFull(r, buf[:size])
	return buf[:size], err
}

// maxRaw is the size of the largest message that the limits take.
const maxRaw = 8 << 10

// appendFrame appends a server's binary frame.
func appendFrame(frame, message []byte) []byte {
	if len(message) < 126 {
		frame = append(frame, 0x82, byte(len(message)))
	} else {
		frame = binary.BigEndian.AppendUint16(append(frame, 0x82, 126), uint16(len(message)))
	}
	return append(frame, message...)
}
