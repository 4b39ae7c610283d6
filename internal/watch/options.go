package watch

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/rs/zerolog"

	"importerd/internal/job"
)

// Mode is how it is known that a file is whole.
type Mode string

// The modes. In all of them a file that somebody has open for writing waits.
const (
	ModeAuto   Mode = "auto"   // by what the kernel says, by quiet time where it says nothing
	ModeSettle Mode = "settle" // always by quiet time
	ModeMarker Mode = "marker" // as ModeAuto, and a second file says so
)

// Order is the order in which files are handed over.
type Order string

// The orders. The first promises none.
const (
	OrderNone Order = "none"
	OrderAge  Order = "age"  // those that came (ctime) first
	OrderName Order = "name" // by the bytes of the name
)

// Options are the rules of one inbox.
type Options struct {
	Path   string        // of the inbox, for the kernel's events
	Match  []string      // globs, one of which a name must match; none: every name does
	Settle time.Duration // quiet time of files of which the kernel says nothing
	Linger time.Duration // quiet time of files that were seen being written
	Sweep  time.Duration // from the end of a sweep to the next, and between two checks of the inbox
	Ready  Mode          // empty: ModeAuto
	Marker string        // what is added to a file's name to get its marker's, as ".done"; only for ModeMarker
	Husk   time.Time     // empty files older than this (ctime) are held; zero: none is
	Order  Order         // empty: OrderNone

	Beat      func()        // called at each turn of the loop; nil: nobody asks
	BeatEvery time.Duration // at least so often; zero: as it comes

	Log zerolog.Logger

	// newSource makes the source of events; nil: fsnotify. For tests.
	newSource func() (source, error)
}

// check returns o with the defaults filled in, or all that is wrong with it.
func (o Options) check() (Options, error) {
	var errs []error

	if o.Path == "" {
		errs = append(errs, errors.New("the inbox has no path"))
	}

	for _, glob := range o.Match {
		if !doublestar.ValidatePattern(glob) {
			errs = append(errs, fmt.Errorf("pattern %q: %w", glob, doublestar.ErrBadPattern))
		}
	}

	if o.Settle < 0 || o.Linger < 0 || o.BeatEvery < 0 {
		errs = append(errs, errors.New("a time is negative"))
	}

	if o.Sweep <= 0 {
		errs = append(errs, fmt.Errorf("sweep is %v: it must be longer than zero", o.Sweep))
	}

	errs = append(errs, o.checkWords()...)
	o.fill()

	return o, errors.Join(errs...)
}

// checkWords says what is wrong with the words among the options.
func (o Options) checkWords() []error {
	var errs []error

	switch o.Ready {
	case "", ModeAuto, ModeSettle:
	case ModeMarker:
		if o.Marker == "" || strings.ContainsRune(o.Marker, '/') {
			errs = append(errs, fmt.Errorf("marker is %q: want what a marker's name has more, as .done", o.Marker))
		}

		if job.Temporary("name" + o.Marker) {
			errs = append(errs, fmt.Errorf("marker is %q: such names are ignored as temporary", o.Marker))
		}
	default:
		errs = append(errs, fmt.Errorf("ready is %q: want auto, settle or marker", o.Ready))
	}

	switch o.Order {
	case "", OrderNone, OrderAge, OrderName:
	default:
		errs = append(errs, fmt.Errorf("order is %q: want none, age or name", o.Order))
	}

	return errs
}

func (o *Options) fill() {
	o.Path = filepath.Clean(o.Path)

	if o.Ready == "" {
		o.Ready = ModeAuto
	}

	if o.Order == "" {
		o.Order = OrderNone
	}

	if o.Beat == nil {
		o.Beat = func() {}
	}

	if o.newSource == nil {
		o.newSource = newFsnotify
	}
}
