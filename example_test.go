package lectern_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// newHub keeps the examples short. A service gives the hub to
// websocket.NewHandler or netconn.Serve.
func newHub() *lectern.Hub {
	hub, err := lectern.NewHub(lectern.Policy{})
	if err != nil {
		log.Fatal(err)
	}
	return hub
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// A channel comes into being by its master, and has one only.
func ExampleHub_Create() {
	ctx := context.Background()
	hub := newHub()
	defer hub.Close()

	master, err := hub.Create(ctx, "abc123", "alice")
	if err != nil {
		log.Fatal(err)
	}
	_, err = hub.Create(ctx, "abc123", "mallory")
	fmt.Println(master.Username(), "is the master of", master.Channel())
	fmt.Println(errors.Is(err, lectern.ErrChannelExists))
	// Output:
	// alice is the master of abc123
	// true
}

// A slave joins what a master has created before.
func ExampleClient_Join() {
	ctx := context.Background()
	hub := newHub()
	defer hub.Close()
	client := lectern.NewClient(hub, lectern.ClientOptions{}) // or a websocket.Dialer
	defer client.Close()

	_, err := client.Join(ctx, "abc123", "user_one")
	fmt.Println(err)

	must(hub.Create(ctx, "abc123", "alice"))
	slave, err := client.Join(ctx, "abc123", "user_one", lectern.WithMaster("alice"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(slave.Username(), "has joined")
	// Output:
	// lectern: no_such_channel: there is no channel "abc123": its master has to create it first
	// user_one has joined
}

// What a master broadcasts, every slave gets, in order.
func ExampleMaster_Broadcast() {
	ctx := context.Background()
	hub := newHub()
	defer hub.Close()
	master := must(hub.Create(ctx, "abc123", "alice"))
	slaves := []*lectern.Slave{
		must(hub.Join(ctx, "abc123", "user_one")),
		must(hub.Join(ctx, "abc123", "user_two")),
	}

	if _, err := master.Broadcast(ctx, lectern.Text("what is going on?")); err != nil {
		log.Fatal(err)
	}
	for _, slave := range slaves {
		message := must(slave.Receive(ctx))
		fmt.Printf("%s hears %s: %s\n", slave.Username(), message.From, message.Text())
	}
	// Output:
	// user_one hears alice: what is going on?
	// user_two hears alice: what is going on?
}

// A private message is for one slave alone; the slave's answer for the master.
func ExampleMaster_Send() {
	ctx := context.Background()
	hub := newHub()
	defer hub.Close()
	master := must(hub.Create(ctx, "abc123", "alice"))
	slave := must(hub.Join(ctx, "abc123", "user_one"))

	must(master.Send(ctx, "user_one", lectern.JSON(map[string]int{"question": 7})))
	message := must(slave.Receive(ctx))
	fmt.Println(message.Private, message.Text())

	must(slave.Send(ctx, lectern.Text("42")))
	for event, err := range master.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if answer, ok := event.(lectern.Message); ok {
			fmt.Println(answer.From, "answers", answer.Text())
			break
		}
	}

	_, err := master.Send(ctx, "nobody", lectern.Text("hello?"))
	fmt.Println(errors.Is(err, lectern.ErrNoSuchSlave))
	// Output:
	// true {"question":7}
	// user_one answers 42
	// true
}

// What who comes late must see is an attribute of the master: the last value by key.
func ExampleMaster_SetAttribute() {
	ctx := context.Background()
	hub := newHub()
	defer hub.Close()
	master := must(hub.Create(ctx, "abc123", "alice"))
	for page := 1; page <= 3; page++ {
		if err := master.SetAttribute(ctx, "page", lectern.Text(fmt.Sprint(page))); err != nil {
			log.Fatal(err)
		}
	}

	late := must(hub.Join(ctx, "abc123", "user_one"))
	for event, err := range late.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if attribute, ok := event.(lectern.Attribute); ok {
			fmt.Println(attribute.From, "shows the", attribute.Key, attribute.Value.Text())
			break
		}
	}
	fmt.Println(late.MasterAttributes()["page"].Text())
	// Output:
	// alice shows the page 3
	// 3
}

// A master sees who comes, and lets them in by the number of their knock.
func ExampleMaster_Admit() {
	ctx := context.Background()
	hub := newHub()
	defer hub.Close()
	master := must(hub.Create(ctx, "abc123", "alice", lectern.WithDoor(lectern.DoorKnock)))

	entered := make(chan *lectern.Slave)
	go func() {
		waits := lectern.WithWaiting(func(w lectern.Waiting) { fmt.Println("waiting for", w.Master.Username, "at the", w.For) })
		entered <- must(hub.Join(ctx, "abc123", "user_one", waits))
	}()
	for event, err := range master.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if knock, ok := event.(lectern.Knock); ok {
			if err := master.Admit(ctx, knock.Number); err != nil {
				log.Fatal(err)
			}
			break
		}
	}
	fmt.Println((<-entered).Username(), "is in")

	if err := master.SetDoor(ctx, lectern.DoorLocked); err != nil {
		log.Fatal(err)
	}
	_, err := hub.Join(ctx, "abc123", "user_two")
	fmt.Println(errors.Is(err, lectern.ErrLocked))
	// Output:
	// waiting for alice at the door
	// user_one is in
	// true
}

// A master asks one slave, or all of them, and gets each answer as it comes.
func ExampleMaster_Gather() {
	ctx := context.Background()
	hub := newHub()
	defer hub.Close()
	master := must(hub.Create(ctx, "abc123", "alice"))
	for _, name := range []string{"user_one", "user_two"} {
		slave := must(hub.Join(ctx, "abc123", name))
		go func() {
			for {
				message, err := slave.Receive(ctx)
				if err != nil {
					return // the channel is over
				}
				if message.RequestID != 0 {
					_, _ = slave.Reply(ctx, message, lectern.Text(name+" is ready"))
				}
			}
		}()
	}

	answer := must(master.Request(ctx, "user_one", lectern.Text("are you?")))
	fmt.Println(answer.Text())

	for answer := range master.Gather(ctx, lectern.Text("everybody?")) {
		if answer.Err != nil {
			fmt.Println(answer.From, "gave no answer:", answer.Err)
			continue
		}
		fmt.Println(answer.From, "says", answer.Message.Text())
	}
	// Unordered output:
	// user_one is ready
	// user_one says user_one is ready
	// user_two says user_two is ready
}

// Quiet, please: a slave that is muted is told so, and what it sends is refused.
func ExampleMaster_MuteAll() {
	ctx := context.Background()
	hub := newHub()
	defer hub.Close()
	master := must(hub.Create(ctx, "lesson", "alice"))
	pupil := must(hub.Join(ctx, "lesson", "bob"))

	if err := master.MuteAll(ctx); err != nil {
		log.Fatal(err)
	}
	for event := range pupil.Events(ctx) {
		if muted, ok := event.(lectern.Muted); ok {
			fmt.Println("muted:", muted.On)
			break
		}
	}
	_, err := pupil.Send(ctx, lectern.Text("psst"))
	fmt.Println(errors.Is(err, lectern.ErrMuted))
	// Output:
	// muted: true
	// true
}

// A slave always knows whether its master is there.
func ExampleSlave_Events() {
	ctx := context.Background()
	hub := newHub()
	defer hub.Close()
	master := must(hub.Create(ctx, "abc123", "alice"))
	slave := must(hub.Join(ctx, "abc123", "user_one"))
	fmt.Println("the master is", slave.Master().State)

	if err := master.Away(ctx); err != nil {
		log.Fatal(err)
	}
	if err := master.Back(ctx); err != nil {
		log.Fatal(err)
	}
	master.Close()

	for event, err := range slave.Events(ctx) {
		if err != nil {
			fmt.Println("over:", errors.Is(err, lectern.ErrMasterLeft))
			break
		}
		if presence, ok := event.(lectern.Presence); ok {
			fmt.Println("the master is", presence.State)
		}
	}
	// Output:
	// the master is online
	// the master is away
	// the master is online
	// over: true
}

// A slave whose connection is cut comes back by itself and misses nothing.
func ExampleClient_resume() {
	ctx := context.Background()
	hub := newHub()
	defer hub.Close()
	network := memory.Listen(hub, memory.Options{})
	defer network.Close()
	client := lectern.NewClient(network, lectern.ClientOptions{MinBackoff: time.Millisecond})
	defer client.Close()

	master := must(hub.Create(ctx, "abc123", "alice"))
	slave := must(client.Join(ctx, "abc123", "user_one"))

	network.Conns()[0].Cut()
	for i := range 3 {
		must(master.Broadcast(ctx, lectern.Text(fmt.Sprint("number ", i))))
	}
	for range 3 {
		fmt.Println(must(slave.Receive(ctx)).Text())
	}
	// Output:
	// number 0
	// number 1
	// number 2
}

// A ticket brings a membership back in another process: the master here is
// replaced, and everything goes on with the one that holds its ticket.
func ExampleClient_ResumeMaster() {
	ctx := context.Background()
	hub := newHub()
	defer hub.Close()
	master := must(hub.Create(ctx, "abc123", "alice"))
	must(hub.Join(ctx, "abc123", "user_one"))
	ticket := master.Ticket() // to be kept as a password is

	client := lectern.NewClient(hub, lectern.ClientOptions{})
	defer client.Close()
	again := must(client.ResumeMaster(ctx, ticket))
	<-master.Done()
	fmt.Println(errors.Is(master.Err(), lectern.ErrReplaced))
	fmt.Println(again.Members()[0].Username)
	// Output:
	// true
	// user_one
}

// A program that is to be replaced by its next version gives its seats to it.
func ExampleClient_Detach() {
	ctx := context.Background()
	hub := newHub()
	defer hub.Close()
	old := lectern.NewClient(hub, lectern.ClientOptions{})
	master := must(old.Create(ctx, "abc123", "alice"))
	slave := must(hub.Join(ctx, "abc123", "user_one"))

	kept := must(json.Marshal(must(old.Detach(ctx)))) // as a password is kept
	fmt.Println(errors.Is(master.Err(), lectern.ErrDetached))

	var tickets []lectern.Ticket
	if err := json.Unmarshal(kept, &tickets); err != nil {
		log.Fatal(err)
	}
	next := lectern.NewClient(hub, lectern.ClientOptions{})
	defer next.Close()
	master = must(next.ResumeMaster(ctx, tickets[0]))
	must(master.Broadcast(ctx, lectern.Text("where were we?")))
	fmt.Println(must(slave.Receive(ctx)).Text())
	// Output:
	// true
	// where were we?
}

// A service keeps a list of everybody who is there.
func ExampleHub_Events() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hub := newHub()
	defer hub.Close()
	must(hub.Create(ctx, "abc123", "alice"))
	must(hub.Join(ctx, "abc123", "user_one"))

	there := map[string]lectern.State{}
	for event := range hub.Events(ctx) {
		switch event.Kind {
		case lectern.EventMissed: // this loop was too slow, and is told everything anew
			clear(there)
		case lectern.EventEnded:
			fmt.Println(event.Channel, "is over")
		case lectern.EventLeft:
			delete(there, event.Channel+"/"+event.Username)
		default:
			there[event.Channel+"/"+event.Username] = event.State
		}
		if len(there) == 2 {
			break
		}
	}
	fmt.Println(there)
	// Output: map[abc123/alice:online abc123/user_one:online]
}

// A service speaks in its channels itself, and decides what may be said there.
func ExampleChannel_Broadcast() {
	ctx := context.Background()
	hub := must(lectern.NewHub(lectern.Policy{
		AuthorizeMessage: func(_ context.Context, from lectern.Sender, message lectern.OutgoingMessage) error {
			if !from.Master && message.Len() > 10 {
				return lectern.ErrForbidden.WithText("short answers, please")
			}
			return nil
		},
	}))
	defer hub.Close()
	must(hub.Create(ctx, "abc123", "alice"))
	slave := must(hub.Join(ctx, "abc123", "user_one"))
	channel, _ := hub.Channel("abc123")

	receipt := must(channel.Broadcast(ctx, lectern.Text("five minutes left")))
	fmt.Println("to", receipt.Slaves)
	message := must(slave.Receive(ctx))
	fmt.Printf("%q: %s\n", message.From, message.Text())
	_, err := slave.Send(ctx, lectern.Text("it is a long story"))
	fmt.Println(err)
	// Output:
	// to 1
	// "": five minutes left
	// lectern: forbidden: short answers, please
}

// tracing is a transport of one's own: it decorates another one's connections.
type tracing struct{ transport.Conn }

func (t tracing) Write(messages ...[]byte) error {
	fmt.Println("frames written:", len(messages))
	return t.Conn.Write(messages...)
}

// tracingDialer makes such connections.
type tracingDialer struct{ to transport.Dialer }

func (d tracingDialer) Dial(ctx context.Context) (transport.Conn, error) {
	conn, err := d.to.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return tracing{conn}, nil
}

// Any transport.Conn carries a client. One made from nothing is held against
// transporttest.TestConn.
func ExampleNewClient_transport() {
	ctx := context.Background()
	hub := newHub()
	defer hub.Close()
	client := lectern.NewClient(tracingDialer{hub}, lectern.ClientOptions{})

	status := must(client.Status(ctx, "abc123"))
	fmt.Println("exists:", status.Exists)
	client.Close()
	// Output:
	// frames written: 1
	// exists: false
}

// The teacher hands the class to an assistant, and stays as one of the class.
func ExampleMaster_HandOver() {
	ctx := context.Background()
	hub, err := lectern.NewHub(lectern.Policy{})
	if err != nil {
		panic(err)
	}
	defer hub.Close()
	teacher, err := hub.Create(ctx, "abc123", "alice")
	if err != nil {
		panic(err)
	}
	assistant, err := hub.Join(ctx, "abc123", "bob")
	if err != nil {
		panic(err)
	}

	pupil, err := teacher.HandOver(ctx, "bob", true)
	if err != nil {
		panic(err)
	}
	for event := range assistant.Events(ctx) {
		if promotion, ok := event.(lectern.Promotion); ok {
			_, err = promotion.Master.Broadcast(ctx, lectern.Text("I take over from here"))
		}
	}
	if err != nil {
		panic(err)
	}
	message, err := pupil.Receive(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s: %s\n", message.From, message.Text())
	// Output: bob: I take over from here
}
