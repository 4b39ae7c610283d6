package process_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestOrderIsKept: the flush of the first file takes longest.
func TestOrderIsKept(t *testing.T) {
	t.Parallel()

	for _, ordered := range []bool{true, false} {
		t.Run(fmt.Sprintf("ordered=%t", ordered), func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.cfg.Ordered = ordered
				r.disk.breaks(func(call string) error {
					for i, name := range []string{"d", "c", "b", "a"} {
						if strings.HasPrefix(call, "flush inbox/"+name) {
							<-time.After(time.Duration(i+1) * time.Second)
						}
					}

					return nil
				})
				r.start()
				r.inbox("a", "b", "c", "d")
				r.pass(time.Minute)

				if ordered {
					r.order("run a ", "run b ", "run c ", "run d ")
				} else {
					r.order("run d ", "run c ", "run b ", "run a ") // nobody waits for a slow one
				}

				r.stops()
			})
		})
	}
}
