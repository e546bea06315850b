package star

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A secret is in nothing that formats values, and a channel keeps its hash alone.
func TestSecretsHideThemselves(t *testing.T) {
	secret := given("between us")
	for _, format := range []string{"%v", "%+v", "%s", "%#v", "%q"} {
		require.NotContains(t, fmt.Sprintf(format, secret), "between us", format)
	}
	require.Equal(t, "(secret)", secret.String())
	c, _, _ := openTable(t, Limits{}, 1)
	require.Equal(t, "abc123", c.Name())
	written, err := json.Marshal(c.Snapshot())
	require.NoError(t, err)
	for name, text := range c.secrets {
		require.NotContains(t, string(written), text, "the secret of %s", name)
		require.NotContains(t, c.snapshot(), text, "the secret of %s", name)
	}
	require.NotEqual(t, HashOf("a"), HashOf("b"))
	require.Equal(t, HashOf("a"), HashOf("a"))
}
