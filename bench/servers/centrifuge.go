package servers

import (
	"context"
	"net/http"

	"github.com/centrifugal/centrifuge"
)

// CentrifugeChannel is the channel that all members are subscribed to.
const CentrifugeChannel = "lesson"

// newCentrifuge is centrifuge with its defaults and server-side subscriptions.
// What is not for the channel is sent as messages. The Protobuf form of its
// protocol is asked for by the client.
func newCentrifuge() (Server, error) {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return nil, err
	}
	var s star[*centrifuge.Client]
	node.OnConnecting(func(ctx context.Context, _ centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		target, _ := ctx.Value(targetKey{}).(string)
		reply := centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{UserID: target}}
		if role(target) >= 0 {
			reply.Subscriptions = map[string]centrifuge.SubscribeOptions{CentrifugeChannel: {}}
		}
		return reply, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		number := role(client.UserID())
		s.enter(number, client)
		client.OnDisconnect(func(centrifuge.DisconnectEvent) { s.leave(number) })
		client.OnMessage(func(e centrifuge.MessageEvent) {
			if number < 0 && e.Data[0] == ToAll {
				_, _ = node.Publish(CentrifugeChannel, e.Data)
				return
			}
			s.mu.RLock()
			to := s.master
			if number < 0 {
				to = s.members[recipient(e.Data)]
			}
			s.mu.RUnlock()
			_ = to.Send(e.Data)
		})
	})
	if err := node.Run(); err != nil {
		return nil, err
	}
	handler := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{})
	return serveHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), targetKey{}, r.URL.Path)))
	}), s.count, func() error { return node.Shutdown(context.Background()) })
}

type targetKey struct{}
