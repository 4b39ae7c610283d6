// Package sandbox says from inside which restrictions of the unit that we ship hold for
// this process, and so for each command that it would start. It finds out by reading what
// the kernel tells of the process, and by asking for what is forbidden in a way that does
// nothing where it is not: with arguments that make no sense.
//
// What holds may be somebody else's doing, as in a container. From inside that is the same.
package sandbox

// State is what was found out about a restriction.
type State string

// The states.
const (
	Holds      State = "ok"
	NotInForce State = "not in force"
	CannotTell State = "cannot tell"
)

// Finding is one line of the unit, or a few that belong together.
type Finding struct {
	Directive string `json:"directive"`        // as it stands in the unit
	State     State  `json:"state"`            // whether it holds
	Detail    string `json:"detail,omitempty"` // how that shows, where it does not hold or cannot be told
	Means     string `json:"means"`            // what it costs a command, or gives it
}

// Options is what Look has to be told.
type Options struct {
	Credentials string // directory of the credentials; empty: there is none
	Spools      []Spool
}

// Spool is where the folders of one are.
type Spool struct{ Dir, Inbox string }

// check finds out one thing. The detail says more where the state is not Holds.
type check struct {
	directive string
	means     string
	look      func() (State, string)
}

// Look returns a finding for each restriction, in the order of the unit. It changes nothing.
func Look(o Options) []Finding {
	self := readSelf()

	var all []Finding

	for _, c := range append(append(around(self, o), files(self, o)...), kernel(self)...) {
		state, detail := c.look()
		if state == Holds {
			detail = ""
		}

		all = append(all, Finding{Directive: c.directive, State: state, Detail: detail, Means: c.means})
	}

	return all
}

// All says whether nothing is known not to hold.
func All(findings []Finding) bool {
	for _, f := range findings {
		if f.State == NotInForce {
			return false
		}
	}

	return true
}

// verdict returns the state of something that can be told, and the detail.
func verdict(holds bool, detail string) (State, string) {
	if holds {
		return Holds, ""
	}

	return NotInForce, detail
}
