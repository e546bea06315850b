package wire

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/bits"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// block is a fenced block of PROTOCOL.md: its info string and its lines.
type block struct {
	info  string
	lines []string
}

// readProtocol returns the fenced blocks of PROTOCOL.md and the lines around
// them.
func readProtocol(t *testing.T) (blocks []block, prose []string) {
	data, err := os.ReadFile("../../PROTOCOL.md")
	require.NoError(t, err)
	inside := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && inside:
			require.Empty(t, info)
			inside = false
		case fence:
			blocks = append(blocks, block{info: info})
			inside = true
		case inside:
			last := &blocks[len(blocks)-1]
			last.lines = append(last.lines, line)
		default:
			prose = append(prose, line)
		}
	}
	require.False(t, inside)
	require.NotEmpty(t, blocks)
	return blocks, prose
}

// requireFrame holds an example of the text form against what would be written.
func requireFrame(t *testing.T, text string) Frame {
	frame, err := Decode([]byte(text))
	require.NoError(t, err, text)
	require.Equal(t, text, string(Append(nil, Text, &frame)))
	return frame
}

func TestProtocolExamples(t *testing.T) {
	blocks, prose := readProtocol(t)
	seen := map[Type]bool{}
	var latest Frame
	for _, b := range blocks {
		switch b.info {
		case "json":
			for _, line := range b.lines {
				latest = requireFrame(t, line)
				seen[latest.Type] = true
			}
		case "text transcript":
			for _, line := range b.lines {
				frame := requireFrame(t, line[2:])
				require.Equal(t, (frame.Type < Created || frame.Type >= SetDoor && frame.Type < Waiting) && !frame.HasExists, line[:2] == "> ", line)
			}
		case "text hex":
			var digits strings.Builder
			for _, line := range b.lines {
				line, _, _ = strings.Cut(line, "#")
				digits.WriteString(strings.ReplaceAll(line, " ", ""))
			}
			data, err := hex.DecodeString(digits.String())
			require.NoError(t, err)
			frame, err := Decode(data)
			require.NoError(t, err)
			require.Equal(t, latest, frame, "the block of JSON before it")
			require.Equal(t, data, Append(nil, Binary, &frame))
		case "text header":
			require.Len(t, b.lines, 1)
			_, encoded, found := strings.Cut(b.lines[0], "lectern.v1.first.")
			require.True(t, found)
			data, err := base64.RawURLEncoding.DecodeString(encoded)
			require.NoError(t, err)
			require.Equal(t, string(Append(nil, Text, &latest)), string(data), "the block of JSON before it")
		case "text events":
			for _, line := range b.lines {
				data, found := strings.CutPrefix(line, "data: ")
				switch {
				case strings.HasPrefix(data, `{"type":`):
					requireFrame(t, data)
				case found && data[0] != '{':
					frame, err := base64.StdEncoding.DecodeString(data)
					require.NoError(t, err)
					_, err = Decode(frame)
					require.NoError(t, err)
				}
			}
		case "text answer", "text shell": // transport/httpstream checks the events, and these
		case "json ticket":
			require.Equal(t, []string{readTicketVectors(t).Tickets[0].JSON}, b.lines)
		default:
			t.Errorf("a block that is not checked: %q", b.info)
		}
	}
	for each := range specs {
		require.Equal(t, specOf(Type(each)) != nil, seen[Type(each)], "%v", Type(each))
	}
	code := regexp.MustCompile("`[^`]*`")
	for _, line := range prose {
		for _, span := range code.FindAllString(line, -1) {
			span = strings.Trim(span, "`")
			if len(span) > 1 && span[0] == '{' && !strings.HasPrefix(span, `{"code":`) && !strings.HasPrefix(span, `{"expected":`) {
				requireFrame(t, span)
			}
		}
	}
}

// rows returns the cells of the tables' rows whose first cell matches.
func rows(prose []string, first string) (found [][]string) {
	match := regexp.MustCompile("^" + first + "$")
	for _, line := range prose {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if match.MatchString(cells[0]) {
			found = append(found, cells)
		}
	}
	return found
}

func TestProtocolTables(t *testing.T) {
	_, prose := readProtocol(t)
	var tagRows, typeRows [][]string
	for _, row := range rows(prose, "0x..") {
		if strings.HasPrefix(row[1], "`") {
			typeRows = append(typeRows, row)
		} else {
			tagRows = append(tagRows, row)
		}
	}

	var used fieldSet
	for i := range specs {
		used |= specs[i].fields()
	}
	tagNames := map[field]string{}
	require.Len(t, tagRows, bits.OnesCount64(uint64(used))+3)
	for i, rest := 0, used; rest != 0; i, rest = i+1, rest.butFirst() {
		f, row := rest.first(), tagRows[i]
		tagNames[f] = row[1]
		text := "`" + fieldNames[f] + "`"
		if f == fieldReason {
			text += ", in `error` `" + nameOf(Error, f) + "`"
		}
		if f == fieldNumbers {
			text = "`number` of each entry of `members`"
		}
		require.Equal(t, fmt.Sprintf("0x%02x", f), row[0])
		require.Equal(t, text, row[2])
	}
	for i, kind := range []PayloadKind{TextPayload, DataPayload, BytesPayload} {
		require.Equal(t, fmt.Sprintf("0x%02x", payloadTags[kind]), tagRows[len(tagNames)+i][0])
	}

	names := func(s fieldSet) (names []string) {
		for ; s != 0; s = s.butFirst() {
			names = append(names, tagNames[s.first()])
		}
		return names
	}
	for each := range specs {
		spec := specOf(Type(each))
		if spec == nil {
			continue
		}
		row := typeRows[0]
		typeRows = typeRows[1:]
		required := names(spec.required)
		if spec.payload {
			required = append(required, "payload")
		}
		require.Equal(t, fmt.Sprintf("0x%02x", each), row[0])
		require.Equal(t, "`"+spec.word+"`", row[1])
		require.ElementsMatch(t, required, list(row[2]), "required of %s", spec.word)
		require.ElementsMatch(t, names(spec.optional&^set(fieldRef)), list(row[3]), "optional of %s", spec.word)
	}
	require.Empty(t, typeRows)
}

func list(cell string) []string {
	if cell == "" {
		return nil
	}
	return strings.Split(cell, ", ")
}

func TestProtocolCloseCodes(t *testing.T) {
	_, prose := readProtocol(t)
	var got []transport.CloseCode
	for _, row := range rows(prose, `\d{4}`) {
		var code transport.CloseCode
		_, err := fmt.Sscan(row[0], &code)
		require.NoError(t, err)
		require.Equal(t, "`"+code.String()+"`", row[1])
		require.Equal(t, code.Final(), row[4] == "no", row)
		got = append(got, code)
	}
	require.ElementsMatch(t, []transport.CloseCode{
		transport.MasterLeft, transport.MasterDown, transport.Kicked, transport.ChannelClosed, transport.Left,
		transport.Slow, transport.Replaced, transport.ProtocolError, transport.Idle, transport.RateLimited,
		transport.Shutdown, transport.TooLarge, transport.Expired, transport.Revoked, transport.HandedOver, transport.Unauthorized,
	}, got)
}
