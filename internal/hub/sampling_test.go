package hub

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Row H17.
func TestLinesAreSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := sampled(slog.New(slog.NewTextHandler(&log, nil))).With("hub", 1)
		for range 1000 {
			logger.Warn("refused")
			logger.WithGroup("g").Warn("another kind")
			logger.Info("joined")
			logger.Info("joined")
		}
		require.Equal(t, maxWarnings, strings.Count(log.String(), "msg=refused"))
		require.Equal(t, maxWarnings, strings.Count(log.String(), "another kind"))
		require.Equal(t, maxInfos, strings.Count(log.String(), "joined"))
		require.NotContains(t, log.String(), "left_out")
		time.Sleep(time.Second)
		log.Reset()
		logger.Warn("refused")
		logger.Warn("refused")
		require.Equal(t, 2, strings.Count(log.String(), "msg=refused"))
		require.Equal(t, 1, strings.Count(log.String(), "left_out=990"))
		logger.Info("joined")
		require.Equal(t, 1, strings.Count(log.String(), "left_out=1000"))
	})
}
