package hub

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// This file is the form in which the state of a hub is written down: a header, and then
// blocks. A block is its kind, the length and the checksum of its content, and the content.
// Each checksum begins with the one before it, so a block that is missing, or in another
// place, is noticed as one that is damaged is.

// stateMagic begins what was exported, and stateVersion follows it. The version rises
// whenever a release writes what an earlier one cannot read.
const (
	stateMagic   = "lectern hub state\n"
	stateVersion = 1
)

// The kinds of blocks: the hub, the first part of a channel, a further part of the same, and
// the end.
const (
	blockHub     = 1
	blockChannel = 2
	blockPart    = 3
	blockEnd     = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// These are why a state cannot be exported or restored. The public package has errors of the
// same names.
var (
	ErrBadState    = errors.New("lectern: this is not the whole state of a hub")
	ErrOverPolicy  = errors.New("lectern: the state has more of something than the policy of this hub allows")
	ErrNotShutDown = errors.New("lectern: the hub is running: Shutdown comes before Export")
	ErrNotNew      = errors.New("lectern: the hub is not new: Restore comes before everything else")
)

func badState(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrBadState}, args...)...)
}

// stateWriter writes blocks.
type stateWriter struct {
	w   *bufio.Writer
	sum uint32
}

func newStateWriter(w io.Writer) *stateWriter {
	s := &stateWriter{w: bufio.NewWriterSize(w, 1<<16)}
	_, _ = s.w.WriteString(stateMagic) // an error stays until Flush
	_ = s.w.WriteByte(stateVersion)
	return s
}

// block writes a block. An error stays, and Flush returns it.
func (s *stateWriter) block(kind byte, content []byte) error {
	head := make([]byte, 0, 9)
	head = append(head, kind)
	head = binary.BigEndian.AppendUint32(head, uint32(len(content)))
	s.sum = crc32.Update(crc32.Update(s.sum, castagnoli, head), castagnoli, content)
	head = binary.BigEndian.AppendUint32(head, s.sum)
	_, _ = s.w.Write(head)
	_, err := s.w.Write(content)
	return err
}

// stateReader reads blocks.
type stateReader struct {
	r   *bufio.Reader
	sum uint32
	// at is how many bytes were read.
	at      int64
	content bytes.Buffer
	// largest is how many bytes a content may have.
	largest int
}

// newStateReader reads the header.
func newStateReader(r io.Reader, largest int) (*stateReader, error) {
	s := &stateReader{r: bufio.NewReaderSize(r, 1<<16), largest: largest}
	magic := make([]byte, len(stateMagic)+1)
	n, err := io.ReadFull(s.r, magic)
	if !bytes.HasPrefix(magic[:n], []byte(stateMagic)[:min(n, len(stateMagic))]) {
		return nil, badState("it begins with %q, and not as what Hub.Export writes", magic[:n])
	}
	if err != nil {
		return nil, s.cut(n, err)
	}
	if version := magic[len(stateMagic)]; version != stateVersion {
		return nil, badState("it has the version %d, and this release reads version %d", version, stateVersion)
	}
	s.at = int64(n)
	return s, nil
}

// cut is the error where reading has ended with err after n more bytes.
func (s *stateReader) cut(n int, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return badState("it is cut off after %d bytes", s.at+int64(n))
	}
	return fmt.Errorf("reading the state of a hub: %w", err)
}

// next reads a block. The content is valid until the next call.
func (s *stateReader) next() (kind byte, content []byte, err error) {
	var head [9]byte
	n, err := io.ReadFull(s.r, head[:])
	if err != nil {
		return 0, nil, s.cut(n, err)
	}
	size := binary.BigEndian.Uint32(head[1:])
	if int64(size) > int64(s.largest) {
		return 0, nil, badState("at byte %d there is a block of %d bytes, which is more than any has", s.at, size)
	}
	s.content.Reset()
	// The buffer grows with what comes, and not with what is said to come.
	copied, err := io.CopyN(&s.content, s.r, int64(size))
	if err != nil {
		return 0, nil, s.cut(len(head)+int(copied), err)
	}
	content = s.content.Bytes()
	s.sum = crc32.Update(crc32.Update(s.sum, castagnoli, head[:5]), castagnoli, content)
	if s.sum != binary.BigEndian.Uint32(head[5:]) {
		return 0, nil, badState("it is damaged: the checksum of the block at byte %d is wrong", s.at)
	}
	s.at += int64(len(head)) + int64(size)
	return head[0], content, nil
}

// stateOf is what is said of the hub before its channels.
type stateOf struct {
	id      ID
	stopped time.Time
	// channels is how many of them follow.
	channels uint64
}

func (s *stateOf) content() []byte {
	content := append([]byte(nil), s.id[:]...)
	content = binary.AppendVarint(content, s.stopped.UnixNano())
	return binary.AppendUvarint(content, s.channels)
}

func parseStateOf(content []byte) (s stateOf, ok bool) {
	if len(content) < len(s.id) {
		return s, false
	}
	content = content[copy(s.id[:], content):]
	stopped, n := binary.Varint(content)
	if n <= 0 {
		return s, false
	}
	s.stopped = time.Unix(0, stopped)
	channels, m := binary.Uvarint(content[n:])
	s.channels = channels
	return s, m > 0 && n+m == len(content)
}
