package natscluster

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/lectern-go/lectern/cluster"
)

// replies is where all answers come to: one subscription, and a subject for each request, which is used once. So what comes
// late finds nobody.
type replies struct {
	prefix string

	mu      sync.Mutex
	next    uint64
	waiting map[string]*mailbox
}

// maxReplies bounds what waits for one request. What is beyond is lost.
const maxReplies = 1 << 16

// mailbox has the answers to one request.
type mailbox struct {
	replies *replies
	subject string
	mu      sync.Mutex
	all     []*nats.Msg
	news    chan struct{} // of capacity 1
}

func newReplies(conn *nats.Conn, prefix string) (*replies, error) {
	r := &replies{prefix: prefix + "inbox." + cluster.NewHubID().String() + ".", waiting: make(map[string]*mailbox)}
	s, err := conn.Subscribe(r.prefix+"*", r.receive)
	if err != nil {
		return nil, err
	}
	return r, s.SetPendingLimits(maxPending, maxPendingBytes)
}

func (r *replies) receive(m *nats.Msg) {
	r.mu.Lock()
	box := r.waiting[strings.TrimPrefix(m.Subject, r.prefix)]
	r.mu.Unlock()
	if box == nil {
		return
	}
	box.mu.Lock()
	defer box.mu.Unlock()
	if len(box.all) == maxReplies {
		return
	}
	box.all = append(box.all, m)
	select {
	case box.news <- struct{}{}:
	default:
	}
}

// open makes a new subject.
func (r *replies) open() *mailbox {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	token := strconv.FormatUint(r.next, 36)
	box := &mailbox{replies: r, subject: r.prefix + token, news: make(chan struct{}, 1)}
	r.waiting[token] = box
	return box
}

// close ends it: nothing comes any more.
func (b *mailbox) close() {
	b.replies.mu.Lock()
	defer b.replies.mu.Unlock()
	delete(b.replies.waiting, strings.TrimPrefix(b.subject, b.replies.prefix))
}

// next waits for the next answer.
func (b *mailbox) next(ctx context.Context, e *Engine) (*nats.Msg, error) {
	for {
		b.mu.Lock()
		if len(b.all) > 0 {
			m := b.all[0]
			b.all = b.all[1:]
			b.mu.Unlock()
			return m, e.begin(ctx)
		}
		b.mu.Unlock()
		select {
		case <-b.news:
		case <-ctx.Done():
			return nil, e.failed(ctx, ctx.Err())
		case <-e.ctx.Done():
			return nil, cluster.ErrClosed
		}
	}
}

// nobody tells whether an answer says that nobody was there to answer.
func nobody(m *nats.Msg) bool { return len(m.Data) == 0 && m.Header.Get("Status") == "503" }

// request sends a message with the body, and returns the first answer.
func (e *Engine) request(ctx context.Context, m *nats.Msg, body []byte) (*nats.Msg, error) {
	if err := e.begin(ctx); err != nil {
		return nil, err
	}
	box := e.replies.open()
	defer box.close()
	m.Reply, m.Data = box.subject, body
	if err := e.conn.PublishMsg(m); err != nil {
		return nil, e.failed(ctx, err)
	}
	answer, err := box.next(ctx, e)
	if err == nil && nobody(answer) {
		err = errNoAnswer
	}
	return answer, err
}
