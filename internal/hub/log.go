package hub

import (
	"context"
	"log/slog"
	"strconv"
	"strings"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// maxListed is how many memberships of a connection a line names.
const maxListed = 8

// logger is the hub's, with what every line about the connection has.
func (s *session) logger() *slog.Logger {
	logger := s.hub.config.Logger
	if !logger.Enabled(context.Background(), slog.LevelError) {
		return logger // a silent one
	}
	return logger.With(s.LogAttributes()...)
}

// membershipsOf says which memberships a connection has held, for a line about its end: the
// first few of them, and how many there are where there are more.
func membershipsOf(held []*seat) []any {
	if len(held) == 0 {
		return nil
	}
	if len(held) == 1 {
		return []any{"channel", held[0].Channel().Name(), "member", held[0].Username()}
	}
	var listed []string
	for _, seat := range held[:min(len(held), maxListed)] {
		listed = append(listed, seat.Username()+" in "+seat.Channel().Name())
	}
	return []any{"memberships", len(held), "members", listed}
}

// LogFault logs what an adapter has found to be wrong with the program around it. It makes a
// hub a transport.FaultLogger.
func (h *Hub) LogFault(err error) {
	h.config.Logger.Error("connections are not to be had", "error", err)
}

// named is the name of a channel for the log, or nothing where it is none: what peers write
// is not in the log but for valid names.
func named(channel string) []any {
	if !wire.ValidName(channel) {
		return nil
	}
	return []any{"channel", channel}
}

// addressOf is the address of the connection's peer, where it is known.
func addressOf(conn transport.Conn) []any {
	if conn, ok := conn.(transport.Addressed); ok {
		return []any{"address", conn.PeerAddress()}
	}
	return nil
}

// withoutToken is a text of the service's, which may quote the token that it is about.
func withoutToken(text, token string) string {
	if token == "" {
		return text
	}
	quoted := strings.Trim(strconv.Quote(token), `"`)
	return strings.NewReplacer(token, "(token)", quoted, "(token)").Replace(text)
}
