package main

import (
	"bytes"
	"context"
	"log/slog"
)

// A webLog takes the lines of an http.Server. A handshake of TLS that fails is nothing to
// warn of: whoever looks whether the port is open causes one, and can cause many.
type webLog struct{ logger *slog.Logger }

func (l webLog) Write(line []byte) (int, error) {
	level := slog.LevelWarn
	if bytes.HasPrefix(line, []byte("http: TLS handshake error")) {
		level = slog.LevelDebug
	}
	l.logger.Log(context.Background(), level, string(bytes.TrimSpace(line)))
	return len(line), nil
}
