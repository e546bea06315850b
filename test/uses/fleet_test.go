package uses

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/netconn"
)

// newFleet makes the service's hub: everybody is who the certificate says, if it is the one in
// the register, and has the seat of that name from whoever had it.
func newFleet(known *register) (*lectern.Hub, error) {
	return lectern.NewHub(lectern.Policy{
		MasterTimeout: time.Minute, SlaveTimeout: time.Minute,
		Reauthorize: []lectern.Operation{lectern.OpResume},
		Authorize: func(ctx context.Context, request lectern.AuthRequest) (lectern.Identity, error) {
			conn, _ := netconn.ConnFromContext(ctx)
			secure, ok := conn.(*tls.Conn)
			if !ok {
				return lectern.Identity{}, lectern.ErrUnauthorized
			}
			certificate := secure.ConnectionState().PeerCertificates[0]
			name := certificate.Subject.CommonName
			entry, ok := known.find(name)
			if !ok || entry.Certificate != certificate.SerialNumber.Int64() {
				return lectern.Identity{}, lectern.ErrUnauthorized.WithText("this certificate is not in the register")
			}
			if request.Operation == lectern.OpCreate && !entry.Dispatcher {
				return lectern.Identity{}, lectern.ErrUnauthorized.WithText("only a dispatcher opens a depot")
			}
			data, err := json.Marshal(entry)
			return lectern.Identity{Username: name, TakeOver: true, Data: data, Attributes: map[string]lectern.Payload{"site": lectern.Text(entry.Site)}}, err
		},
	})
}

// follow keeps who is where, for as long as the hub is there.
func (w *whereabouts) follow(hub *lectern.Hub) {
	w.begin()
	for event := range hub.Events(context.Background()) {
		switch event.Kind {
		case lectern.EventMissed, lectern.EventEnded:
			w.begin()
		case lectern.EventLeft:
			w.forget(event.Username)
		default:
			var known entry
			json.Unmarshal(event.Data, &known)
			w.set(event.Username, known.Site, event.State.String())
		}
	}
}

// watch keeps how the machines are, until the depot is closed.
func (b *board) watch(ctx context.Context, depot *lectern.Master) {
	for event := range depot.Events(ctx) {
		if attribute, ok := event.(lectern.Attribute); ok {
			b.put(attribute.From, attribute.Key, attribute.Value.Text())
		}
	}
}

// order has a machine do something, and returns what came of it.
func order(ctx context.Context, depot *lectern.Master, machine string, c command) (string, error) {
	answer, err := depot.Request(ctx, machine, lectern.JSON(c), lectern.WithTopic("command"), lectern.WithExpiry(c.Within))
	if err != nil {
		return "", err
	}
	return answer.Text(), nil
}

// machine is the program of one.
type machine struct {
	device *device
	client *lectern.Client
	slave  *lectern.Slave
}

// start has a machine take its seat: with the ticket on its disk, if that is worth anything still.
func start(ctx context.Context, dialer transport.Dialer, device *device) (*machine, error) {
	m := &machine{device: device}
	m.client = lectern.NewClient(dialer, lectern.ClientOptions{Tickets: func(t lectern.Ticket) { device.disk.write(t) }})
	var ticket lectern.Ticket
	err := errors.New("none")
	if device.disk.read(&ticket) {
		m.slave, err = m.client.ResumeSlave(ctx, ticket)
	}
	if err != nil {
		release := map[string]lectern.Payload{"release": lectern.Text("1.4")}
		m.slave, err = m.client.Join(ctx, "depot", device.name, lectern.WithAttributes(release))
	}
	return m, err
}

// run does what the machine is told, until the membership or the program is over.
func (m *machine) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var measuring sync.WaitGroup
	defer measuring.Wait()
	defer stop()
	measuring.Go(func() {
		for temperature := range m.device.measure(ctx) {
			m.slave.SetAttribute(ctx, "temperature", lectern.JSON(temperature)) // the newest is what matters
		}
	})
	for _, open := range m.slave.OpenRequests() { // a former program took these, and did not finish
		m.obey(ctx, open)
	}
	for event, err := range m.slave.Events(ctx) {
		if err != nil {
			return err
		}
		switch event := event.(type) {
		case lectern.Message:
			m.device.disk.write(m.slave.Ticket()) // it has been taken, and is not to come again
			m.obey(ctx, event)
		case lectern.Gap:
			m.device.missed(event.Missed)
		}
	}
	return nil
}

func (m *machine) obey(ctx context.Context, asked lectern.Message) {
	var c command
	if err := asked.Decode(&c); err != nil {
		m.slave.Decline(ctx, asked, "not_understood", err.Error())
		return
	}
	result, err := m.device.work(ctx, c.Do)
	switch {
	case ctx.Err() != nil: // the program ends
	case err != nil:
		m.slave.Decline(ctx, asked, "cannot", err.Error())
	default:
		m.slave.Reply(ctx, asked, lectern.Text(result))
	}
}
