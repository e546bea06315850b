package lectern

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
func TestWarningsAreSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := sampled(slog.New(slog.NewTextHandler(&log, nil))).With("hub", 1)
		for range 1000 {
			logger.Warn("refused")
			logger.WithGroup("g").Warn("another kind")
			logger.Info("not sampled")
		}
		require.Equal(t, maxLines, strings.Count(log.String(), "msg=refused"))
		require.Equal(t, maxLines, strings.Count(log.String(), "another kind"))
		require.Equal(t, 1000, strings.Count(log.String(), "not sampled"))
		require.NotContains(t, log.String(), "left_out")
		time.Sleep(time.Second)
		log.Reset()
		logger.Warn("refused")
		logger.Warn("refused")
		require.Equal(t, 2, strings.Count(log.String(), "msg=refused"))
		require.Equal(t, 1, strings.Count(log.String(), "left_out=990"))
	})
}
