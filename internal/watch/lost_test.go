package watch

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"pgregory.net/rapid"
)

// Whatever producers do, whichever events are lost: once a sweep was asked for
// every file that is whole is handed over, and the inbox runs empty.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()

	for _, o := range []Order{OrderNone, OrderName, OrderAge} {
		t.Run(string(o), func(t *testing.T) {
			t.Parallel()

			h := newHand(t, eventsOnly, by(o), func(o *Options) { o.Settle, o.Linger = 0, 0 })

			rapid.Check(t, func(r *rapid.T) {
				p := &producers{hand: h, writers: map[string]*os.File{}}
				r.Repeat(map[string]func(*rapid.T){
					"rename": p.rename, "write": p.write, "close": p.close, "remove": p.remove,
					"take": func(*rapid.T) { h.takeBatch() },
					"turn": func(*rapid.T) { h.turn() },
					"wish": func(*rapid.T) { h.loop.want() },
				})
				p.end(r)
			})
		})
	}
}

// producers do at random what producers do; of some of it no event tells.
type producers struct {
	*hand

	writers map[string]*os.File
}

// any draws one of a few names, so that names come again.
func (p *producers) any(r *rapid.T) string {
	return strconv.Itoa(rapid.IntRange(0, 9).Draw(r, "name")) + ".csv"
}

func (p *producers) tell(r *rapid.T, name string, ops ...fsnotify.Op) {
	for _, op := range ops {
		if rapid.Bool().Draw(r, "told") {
			p.absorb(fsnotify.Event{Name: p.in(name), Op: op}, true)
		}
	}
}

func (p *producers) rename(r *rapid.T) {
	name := p.any(r)
	if p.writers[name] != nil {
		return
	}

	p.drop(name, rapid.SampledFrom([]string{"", "1"}).Draw(r, "content"))
	p.tell(r, name, fsnotify.Create)
}

func (p *producers) write(r *rapid.T) {
	name := p.any(r)
	if p.writers[name] != nil {
		return
	}

	f, err := os.Create(p.in(name))
	must(p.t, err)
	_, err = f.WriteString("1")
	must(p.t, err)

	p.writers[name] = f
	p.tell(r, name, fsnotify.Create, fsnotify.Write)
}

func (p *producers) close(r *rapid.T) {
	for name, f := range p.writers {
		must(p.t, f.Close())
		delete(p.writers, name)
		p.tell(r, name, fsnotify.Chmod)

		return
	}
}

func (p *producers) remove(r *rapid.T) {
	name := p.any(r)
	if os.Remove(p.in(name)) == nil {
		p.tell(r, name, fsnotify.Remove)
	}
}

// end closes all and lets the loop run until nothing is left.
func (p *producers) end(r *rapid.T) {
	for len(p.writers) > 0 {
		p.close(r)
	}

	p.settle() // a sweep under way would put off the next by what it costs
	p.loop.want()
	p.plan.soon = time.Now()
	p.plan.sweep = p.plan.soon

	for range 100 {
		p.settle()

		for _, e := range p.table.queue { // time goes on
			e.due = time.Time{}
		}

		for len(p.takeBatch()) > 0 {
			p.settle()
		}

		names, err := os.ReadDir(p.path)
		must(p.t, err)

		if c := p.Counts(); len(names) == 0 && p.table.len() == 0 && c.Exhausted && c.Waiting == 0 {
			return
		}
	}

	r.Fatalf("files are left: %+v", p.Counts())
}
