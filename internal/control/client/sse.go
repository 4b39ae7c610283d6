package client

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"

	"importerd/internal/control/wire"
)

// maxEvent bounds a line of a stream of server-sent events, in bytes.
const maxEvent = 4 << 20

// events yields the server-sent events of a stream until it ends. An event whose
// data are not whole, because the stream ends in it, is none. After an error nothing
// follows.
func events(stream io.Reader) iter.Seq2[wire.Event, error] {
	return func(yield func(wire.Event, error) bool) {
		lines := bufio.NewScanner(stream)
		lines.Buffer(nil, maxEvent)

		var data []byte

		for lines.Scan() {
			line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))

			if more, ok := bytes.CutPrefix(line, []byte("data:")); ok {
				data = append(append(data, bytes.TrimPrefix(more, []byte(" "))...), '\n')
			}

			if len(line) > 0 || len(data) == 0 { // all other fields and comments say nothing that the data do not
				continue
			}

			event, err := eventOf(data)
			if !yield(event, err) || err != nil {
				return
			}

			data = data[:0]
		}

		if err := lines.Err(); err != nil {
			yield(wire.Event{}, err)
		}
	}
}

// eventOf reads the data of one event.
func eventOf(data []byte) (wire.Event, error) {
	var event wire.Event

	if err := json.Unmarshal(data, &event); err != nil {
		return event, fmt.Errorf("an event makes no sense: %w", err)
	}

	return event, nil
}
