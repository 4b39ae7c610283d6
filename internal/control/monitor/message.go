package monitor

import "importerd/internal/control/wire"

// message is one event as it is sent, the same over both transports.
type message struct {
	kind   wire.Kind
	cursor string
	data   []byte // JSON of a wire.Event, without line ends
}

// jobMessage tells e. The JSON of the job is that of all clients; only what stands
// around it is each one's own.
func jobMessage(kind wire.Kind, e *entry, cursor string) message {
	text := e.json()

	data := make([]byte, 0, len(text)+len(cursor)+64)
	data = append(data, `{"kind":"`...)
	data = append(data, kind...)
	data = append(data, `","job":`...)
	data = append(data, text...)

	if cursor != "" { // base64url: nothing in it must be escaped
		data = append(data, `,"cursor":"`...)
		data = append(data, cursor...)
		data = append(data, '"')
	}

	return message{kind, cursor, append(data, '}')}
}

// plainMessage tells what is not about the state of a job.
func plainMessage(e wire.Event) message {
	return message{e.Kind, e.Cursor, encode(e)}
}

// isEnd says whether the message tells the end of a job.
func (m message) isEnd() bool { return m.kind == wire.KindEnded }
