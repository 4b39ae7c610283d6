package watch

import "importerd/internal/job"

// reason is why a file is where it is. It counts from zero so that arrays can
// be indexed by it; its text is job's.
type reason uint8

const (
	ready reason = iota
	temporary
	notRegular
	noMatch
	isMarker
	noMarker
	open
	settling
	unreadable
	ioError
	husk
	gone // must be the last
	reasons
)

// meanings gives each reason its standing and its text.
var meanings = [reasons]job.Reason{ //nolint:gochecknoglobals // a table that nobody writes to
	ready:      {Standing: job.Ready, Text: job.ReasonReady},
	temporary:  {Standing: job.Ignored, Text: job.ReasonTemporary},
	notRegular: {Standing: job.Ignored, Text: job.ReasonNotRegular},
	noMatch:    {Standing: job.Ignored, Text: job.ReasonNoMatch},
	isMarker:   {Standing: job.Ignored, Text: job.ReasonIsMarker},
	noMarker:   {Standing: job.Settling, Text: job.ReasonNoMarker},
	open:       {Standing: job.Settling, Text: job.ReasonOpen},
	settling:   {Standing: job.Settling, Text: job.ReasonSettling},
	unreadable: {Standing: job.Held, Text: job.ReasonUnreadable},
	ioError:    {Standing: job.Held, Text: job.ReasonIOError},
	husk:       {Standing: job.Held, Text: job.ReasonHusk},
	gone:       {Text: job.ReasonGone},
}
