package uses

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// topics are what the service counts messages by.
var topics = []string{"question", "answer"}

// newQuiz makes the service's hub: who has the token opens a show, anybody plays, and what is
// rude does not get as far as the host.
func newQuiz(token string, observer lectern.Observer) (*lectern.Hub, error) {
	return lectern.NewHub(lectern.Policy{
		Topics:   topics,
		Observer: observer,
		Authorize: func(_ context.Context, request lectern.AuthRequest) (lectern.Identity, error) {
			if request.Operation == lectern.OpCreate && request.Token != token {
				return lectern.Identity{}, lectern.ErrUnauthorized.WithText("only a host opens a show")
			}
			return lectern.Identity{AsAsked: true, Channel: lectern.ChannelLimits{MasterTimeout: time.Minute, MaxSlaves: 30}}, nil
		},
		AuthorizeMessage: func(_ context.Context, from lectern.Sender, message lectern.OutgoingMessage) error {
			if !from.Master && rude(message.Text()) {
				return lectern.ErrForbidden.WithText("mind your words")
			}
			return nil
		},
	})
}

// announce says something to all in a show, in the name of the service.
func announce(ctx context.Context, hub *lectern.Hub, show, text string) error {
	channel, ok := hub.Channel(show)
	if !ok {
		return lectern.ErrNoSuchChannel
	}
	_, err := channel.Broadcast(ctx, lectern.Text(text))
	return err
}

// attend counts who is in the show, for as long as the hub is there.
func (a *attendance) attend(hub *lectern.Hub) {
	a.begin()
	for event := range hub.Events(context.Background()) {
		switch event.Kind {
		case lectern.EventMissed, lectern.EventEnded: // after the former, all who are there follow
			a.begin()
		case lectern.EventBack:
			a.cameBack()
		case lectern.EventJoined, lectern.EventLeft:
			a.set(event.Username, event.Kind == lectern.EventJoined)
		}
	}
}

// host is the one who asks.
type host struct {
	master *lectern.Master
	scores scores
}

// follow looks after those who come, until the show is over.
func (h *host) follow(ctx context.Context) {
	for event := range h.master.Events(ctx) {
		if presence, ok := event.(lectern.Presence); ok && presence.Joined {
			h.scores.add(presence.Username, 0)
		}
	}
}

// ask puts a question to all, those who come while it is open included, and shows the board.
func (h *host) ask(ctx context.Context, q question) (*round, error) {
	r := &round{question: q, scores: &h.scores}
	if err := h.master.SetAttribute(ctx, "question", lectern.JSON(q)); err != nil {
		return nil, err
	}
	for answer := range h.master.Gather(ctx, lectern.JSON(q), lectern.WithTopic("question"), lectern.WithExpiry(q.Time),
		lectern.WithNewcomers(), lectern.WithAsked(func(players []string) { r.asked = append(r.asked, players...) })) {
		var declined *lectern.DeclinedError
		switch {
		case answer.From == "":
			return nil, answer.Err
		case errors.As(answer.Err, &declined):
			r.passed = append(r.passed, answer.From)
		case answer.Err != nil: // it is too late, or the player has left
			r.without = append(r.without, answer.From)
		default:
			r.answered(answer.From, answer.Message.Text())
		}
	}
	return r, h.master.SetAttribute(ctx, "board", lectern.JSON(h.scores.board()))
}

// player is the page of one who answers.
type player struct {
	game
	client *lectern.Client
	slave  *lectern.Slave
}

// enter comes into a show, or back to it where the page was loaded again.
func (p *player) enter(ctx context.Context, dialer transport.Dialer, show, name string) (err error) {
	p.client = lectern.NewClient(dialer, lectern.ClientOptions{Tickets: func(t lectern.Ticket) { p.disk.write(t) }})
	var ticket lectern.Ticket
	if p.disk.read(&ticket) {
		p.slave, err = p.client.ResumeSlave(ctx, ticket)
	} else {
		picture := map[string]lectern.Payload{"picture": lectern.Text(p.picture)}
		p.slave, err = p.client.Join(ctx, show, name, lectern.WithAttributes(picture))
	}
	return err
}

// play shows what the host shows, and answers, until the show is over.
func (p *player) play(ctx context.Context) error {
	var answers sync.WaitGroup
	defer answers.Wait()
	for _, open := range p.slave.OpenRequests() { // since before the page was loaded again
		answers.Go(func() { p.answer(ctx, open) })
	}
	for event, err := range p.slave.Events(ctx) {
		if err != nil {
			return err
		}
		switch event := event.(type) {
		case lectern.Message:
			if event.RequestID != 0 {
				answers.Go(func() { p.answer(ctx, event) })
			} else { // the service itself
				p.tell(event.Text())
			}
		case lectern.Attribute:
			p.show(event.Key, event.Value.Text())
		}
		p.disk.write(p.slave.Ticket()) // what was taken does not come again
	}
	return nil
}

func (p *player) answer(ctx context.Context, asked lectern.Message) {
	var q question
	err := asked.Decode(&q)
	for say := range p.says(q) {
		if say == pass {
			_, err = p.slave.Decline(ctx, asked, pass, "no idea")
		} else {
			_, err = p.slave.Reply(ctx, asked, lectern.Text(say), lectern.WithTopic("answer"))
		}
		if !errors.Is(err, lectern.ErrForbidden) {
			break
		}
		p.tell(err.Error())
	}
	if errors.Is(err, lectern.ErrNoSuchRequest) {
		p.tell("that was too late")
	}
}

// types tells the host what the player is about to say.
func (p *player) types(ctx context.Context, text string) error {
	return p.slave.SetAttribute(ctx, "typing", lectern.Text(text))
}
