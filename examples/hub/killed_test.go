package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport/netconn"
)

// asMaster makes the test binary a master that stays until it is killed.
const asMaster = "LECTERN_TEST_MASTER"

func stayMaster(address string) {
	client := lectern.NewClient(netconn.Dialer{Address: address}, lectern.ClientOptions{})
	master, err := client.Create(context.Background(), "abc123", "alice")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("created")
	<-master.Done()
	os.Exit(0)
}

func TestMasterKilled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ours, theirs := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-tcp", "127.0.0.1:0", "-master-timeout", "500ms"}, theirs, io.Discard)
	}()
	line, err := bufio.NewReader(ours).ReadString('\n')
	require.NoError(t, err)
	address := strings.TrimSpace(strings.TrimPrefix(line, "tcp "))

	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), asMaster+"="+address)
	out, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	line, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "created\n", line)

	client := lectern.NewClient(netconn.Dialer{Address: address}, lectern.ClientOptions{})
	slave, err := client.Join(ctx, "abc123", "user_one")
	require.NoError(t, err)
	killed := time.Now()
	require.NoError(t, process.Process.Kill())
	_ = process.Wait()
	away := false
	for event, err := range slave.Events(ctx) {
		if err != nil {
			require.ErrorIs(t, err, lectern.ErrMasterDown)
			break
		}
		if p, ok := event.(lectern.Presence); ok && p.State == lectern.StateAway {
			away = true
		}
	}
	require.True(t, away, "away is told before the end")
	require.GreaterOrEqual(t, time.Since(killed), 500*time.Millisecond)
	client.Close()
	cancel()
	require.NoError(t, <-ended)
}
