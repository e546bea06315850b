package hubfile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"

	"github.com/lectern-go/lectern"
)

// quiz is what a service keeps whose master is in the hub's own process.
type quiz struct {
	Ticket  lectern.Ticket
	Answers []string
}

// begin is what the service does between Load and the first connection: a player that is back
// before the channel is there would be told that there is none.
func begin(file string, hub *lectern.Hub) (*quiz, *lectern.Master) {
	ctx := context.Background()
	q := new(quiz)
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, q)
	}
	var master *lectern.Master
	if err == nil {
		master, err = lectern.NewClient(hub, lectern.ClientOptions{}).ResumeMaster(ctx, q.Ticket)
	}
	switch {
	case err == nil:
		return q, master
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, lectern.ErrHubLost), errors.Is(err, lectern.ErrResumeFailed):
	default:
		log.Fatal(err)
	}
	// The first start, one after a crash, whose file is of an earlier end, or one that came too late.
	if master, err = hub.Create(ctx, "quiz", "host"); err != nil {
		log.Fatal(err)
	}
	return new(quiz), master
}

// finish is what it does between Shutdown and Save. Where the process is killed in between, the
// ticket is worth nothing, and nobody holds a channel without one.
func finish(file string, q *quiz, master *lectern.Master) {
	// What the handle still has is confirmed already. Where the service reads in a goroutine,
	// this is to wait for that.
	for event, err := range master.Events(context.Background()) {
		if err != nil {
			break // ErrShutdown
		}
		if message, ok := event.(lectern.Message); ok {
			q.Answers = append(q.Answers, message.Text())
		}
	}
	q.Ticket = master.Ticket()
	data, err := json.Marshal(q)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil { // it has a secret
		log.Fatal(err)
	}
}

// A master in the hub's own process ends with it, and comes back with its ticket.
func Example_master() {
	folder, err := os.MkdirTemp("", "lectern")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	state, own := filepath.Join(folder, "state"), filepath.Join(folder, "quiz")

	var here address
	here.hub.Store(start(state))
	_, master := begin(own, here.hub.Load())
	ctx := context.Background()
	client := lectern.NewClient(&here, lectern.ClientOptions{})
	defer client.Close()
	player, err := client.Join(ctx, "quiz", "user_one")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := player.Send(ctx, lectern.Text("an answer")); err != nil {
		log.Fatal(err)
	}

	shutdown(here.hub.Load())
	finish(own, new(quiz), master)
	save(state, here.hub.Load())

	hub := start(state)
	q, master := begin(own, hub)
	fmt.Println(q.Answers)
	here.hub.Store(hub)
	defer hub.Close()
	if _, err := master.Broadcast(ctx, lectern.Text("the next question")); err != nil {
		log.Fatal(err)
	}
	message, err := player.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(message.From, "says", message.Text())
	// Output:
	// restored: false
	// restored: true
	// [an answer]
	// host says the next question
}
