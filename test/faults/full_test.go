package faults_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFullDisk fills the disk while handlers run, and makes room again. Outcomes
// that could not be written wait; no handler that has succeeded runs again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	needRoot(t, "losetup", "mount")

	for _, fstype := range []string{"ext4", "xfs"} {
		t.Run(fstype, func(t *testing.T) {
			t.Parallel()

			disk := newDisk(t, fstype, 320)
			p := newProducers(newRig(t, filepath.Join(disk.dir, "spool")))
			p.plans = []string{planDone, planDone, planDone, planSlow, planLater, planBad}
			filler := filepath.Join(disk.dir, "filler")

			p.deliverSome(rand.New(rand.NewPCG(seed(t), 1<<37)), 80)
			p.start()

			for _, share := range []int{8, 3} { // of the files, when it fills up
				if !poll(func() bool { return len(p.files("done"))+len(p.files("failed")) >= p.count()/share }) {
					t.Fatalf("nothing goes on\n%s", p.tail())
				}

				fill1 := fillUp(t, filler)
				wait(3 * time.Second)
				t.Logf("%d MiB filled up, %d files left, dead: %v", fill1>>20, p.left(), p.dead())

				if err := os.Remove(filler); err != nil {
					t.Fatal(err)
				}
			}

			if !poll(func() bool { return len(p.files("done"))+len(p.files("failed")) >= p.count() }) {
				t.Errorf("it does not go on\n%s", p.tail())
			}

			if code := p.stop(); code != 0 {
				t.Errorf("exit status %d\n%s", code, p.tail())
			}

			p.verify()
		})
	}
}

// fillUp writes until not a byte more fits, and returns how much that was.
func fillUp(t *testing.T, path string) int64 {
	t.Helper()

	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	total, piece := int64(0), make([]byte, 1<<20)

	for len(piece) > 0 {
		n, err := f.Write(piece)
		total += int64(n)

		switch {
		case errors.Is(err, unix.ENOSPC):
			_ = f.Sync() // what was only promised becomes real
			piece = piece[:len(piece)/2]
		case err != nil:
			t.Fatal(err)
		}
	}

	return total
}
