package watch

import (
	"testing"
)

func TestRenameIn(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly).start().swept()
	r.drop("a.csv", "1")
	r.want("a.csv")
}

func TestBeforeTheStart(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly)
	r.drop("a.csv", "1")
	r.start().want("a.csv")
}
