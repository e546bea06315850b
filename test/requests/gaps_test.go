package requests

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// hubDialer leads to a test that plays the hub.
type hubDialer chan transport.Conn

func (d hubDialer) Dial(context.Context) (transport.Conn, error) {
	near, far := memory.Pipe(memory.Options{})
	d <- far
	return near, nil
}

// However many gaps come, who is awaited is asked for one at a time: a slow slave
// must not be made to flood its hub.
func TestGapsInGreatNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dialer := make(hubDialer, 1)
		client := lectern.NewClient(dialer, lectern.ClientOptions{})
		defer func() { require.NoError(t, client.Close()) }()
		asked := stage.InBackground(func() (lectern.Message, error) {
			slave, err := client.Join(stage.Within(t), "abc123", "user_one")
			if err != nil {
				return lectern.Message{}, err
			}
			return slave.Request(stage.Within(t), lectern.Text("may I?"))
		})
		hub := <-dialer
		next := func() wire.Frame {
			data, err := hub.Read()
			require.NoError(t, err)
			frame, err := wire.Decode(data)
			require.NoError(t, err)
			return frame
		}
		write := func(format string, values ...any) {
			require.NoError(t, hub.Write(fmt.Appendf(nil, format, values...)))
		}
		write(`{"type":"joined","ref":%d,"channel":"abc123","username":"user_one","resume":"x","master":{"username":"alice","state":"online"},"master_timeout_ms":30000}`, next().Ref)
		write(`{"type":"ack","ref":%d,"seq":1}`, next().Ref)
		verifying := make(chan wire.Frame, 1000)
		go func() {
			for {
				data, err := hub.Read()
				if err != nil {
					return
				}
				if frame, err := wire.Decode(data); err == nil && frame.Type == wire.Awaiting {
					verifying <- frame
				}
			}
		}()
		for range 100 {
			write(`{"type":"gap","channel":"abc123","missed":1}`)
		}
		synctest.Wait()
		require.Len(t, verifying, 1)
		// It is asked once more, for the gaps that came since.
		write(`{"type":"awaiting","ref":%d,"channel":"abc123","request":1,"members":[{"username":"alice","state":"online"}]}`, (<-verifying).Ref)
		synctest.Wait()
		require.Len(t, verifying, 1)
		write(`{"type":"awaiting","ref":%d,"channel":"abc123","request":1,"members":[]}`, (<-verifying).Ref)
		var gap *lectern.GapError
		require.True(t, errors.As((<-asked).Err, &gap))
		synctest.Wait()
		require.Empty(t, verifying)
	})
}
