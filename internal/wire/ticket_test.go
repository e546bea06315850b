package wire

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// ticketVectors is testdata/tickets.json; its comment describes it.
type ticketVectors struct {
	Tickets, Readings, Former []struct {
		Name   string
		Ticket ticketJSON
		JSON   string
	}
	Refused []struct{ Name, JSON, Field string }
}

func readTicketVectors(t *testing.T) ticketVectors {
	data, err := os.ReadFile("testdata/tickets.json")
	require.NoError(t, err)
	var all ticketVectors
	require.NoError(t, json.Unmarshal(data, &all))
	require.NotEmpty(t, all.Tickets)
	require.NotEmpty(t, all.Readings)
	require.NotEmpty(t, all.Former)
	require.NotEmpty(t, all.Refused)
	return all
}

// Tickets are written and read in the form that is the same for all clients.
func TestTicketsAreOneForm(t *testing.T) {
	all := readTicketVectors(t)
	for _, v := range all.Tickets {
		resume := Frame{Channel: v.Ticket.Channel, Username: v.Ticket.Username, Secret: v.Ticket.Resume, Epoch: v.Ticket.Epoch, Last: v.Ticket.Last}
		data, err := MarshalTicket(resume, v.Ticket.Role == "master")
		require.NoError(t, err)
		require.Equal(t, v.JSON, string(data), v.Name)
	}
	for _, v := range append(append(all.Tickets, all.Readings...), all.Former...) {
		resume, master, err := UnmarshalTicket([]byte(v.JSON))
		require.NoError(t, err, v.Name)
		role := "slave"
		if master {
			role = "master"
		}
		require.Equal(t, Resume, resume.Type)
		require.Equal(t, v.Ticket, ticketJSON{resume.Channel, resume.Username, role, resume.Secret, resume.Epoch, resume.Last}, v.Name)
	}
}

// What is no ticket is refused, by an error that names the field and tells no secret.
func TestWhatIsNoTicketIsRefused(t *testing.T) {
	const secret = "SqCn5YHLMsGFPzKfNDjEBw"
	for _, v := range readTicketVectors(t).Refused {
		text := strings.ReplaceAll(v.JSON, `"resume":"x"`, `"resume":"`+secret+`"`)
		_, _, err := UnmarshalTicket([]byte(text))
		require.ErrorContains(t, err, "lectern: no ticket: "+v.Field, v.Name)
		require.NotContains(t, err.Error(), secret)
	}
	for _, text := range []string{
		"", "{", `{"channel":"abc123"`, `{"Secret":"x"}`, `{"Channel":"c","Username":"u","Secret":"x","Master":1}`,
		`{"Channel":"c","Username":"u","Secret":"x"}`, `{"channel":"c","username":"u","role":"slave","resume":"x","last":1e3}`,
	} {
		_, _, err := UnmarshalTicket([]byte(text))
		require.Error(t, err, text)
	}
}
