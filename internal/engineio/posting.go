package engineio

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/lectern-go/lectern/transport"
)

// bodySlack is how many bytes a POST's body may have beside a largest message in base64.
const bodySlack = 4 << 10

// post takes what a POST brings, and answers when all of it was handed on.
func (p *polling) post(w http.ResponseWriter, r *http.Request) {
	if !p.begin(&p.posting) {
		refuse(w, http.StatusBadRequest, codeBadRequest)
		return
	}
	err := p.receive(w, r)
	// The next one may come right behind the answer: what this one has led to comes before that. Where a client disconnects its
	// socket, the close of its session that follows is not the end that counts.
	p.finish(&p.posting)
	if err != nil && err != errClosed {
		p.session.fail(err)
	}
	var closed *transport.CloseError
	switch {
	case err == nil || err == errClosed || err == errGone || errors.As(err, &closed):
		// Of a session that ends, what is left is still to be fetched: a refusal would have the
		// client give that up.
		answer(w, []byte("ok"))
	case errors.Is(err, transport.ErrMessageTooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, codeTooLarge)
	case errors.Is(err, transport.ErrSlow):
		refuse(w, http.StatusRequestTimeout, codeTooSlow)
	default:
		refuse(w, http.StatusBadRequest, codeBadRequest)
	}
}

func (p *polling) receive(w http.ResponseWriter, r *http.Request) (err error) {
	s := p.session
	done := false
	defer func() {
		if !done { // the receiver has panicked, which is for the http.Server to log
			p.finish(&p.posting)
			s.fail(errPanicked)
		}
	}()
	err = p.hand(w, r)
	done = true
	return err
}

var errPanicked = errors.New("engineio: the receiver has panicked")

// hand hands on what a POST brings.
func (p *polling) hand(w http.ResponseWriter, r *http.Request) error {
	s := p.session
	most := s.limit.Load()*4/3 + bodySlack
	if r.ContentLength > most {
		w.Header().Set("Connection", "close") // the rest is not read
		return transport.ErrMessageTooLarge
	}
	body, err := s.readBody(w, r, most)
	if err != nil {
		return err
	}
	if !s.enter() {
		return errClosed
	}
	defer s.leave()
	err = decodePayload(body, s.version, r.Header.Get("Content-Type") == "application/octet-stream", func(packet []byte, text bool) error {
		if text {
			return s.receive(packet)
		}
		return s.hand(packet, false)
	})
	s.receiver.Pause()
	return err
}

// readBody reads a body of at most so many bytes, by the rule of ConnOptions.MessageTimeout.
func (s *Session) readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	control := http.NewResponseController(w)
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	var (
		timer transport.MessageTimer
		body  []byte
		piece = make([]byte, min(max(r.ContentLength, 512)+1, 8<<10))
	)
	for {
		late := timer.Wait(time.Now(), s.endpoint.config.Conn.MessageTimeout)
		_ = control.SetReadDeadline(late)
		n, err := r.Body.Read(piece)
		timer.Came(n)
		body = append(body, piece[:n]...)
		switch {
		case int64(len(body)) > most:
			w.Header().Set("Connection", "close")
			return nil, transport.ErrMessageTooLarge
		case err == io.EOF:
			return body, nil
		case err != nil && !late.IsZero() && !time.Now().Before(late):
			w.Header().Set("Connection", "close")
			return nil, transport.ErrSlow
		case err != nil:
			return nil, errGone
		}
	}
}
