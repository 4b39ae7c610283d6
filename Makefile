# `make` alone builds; `make help` lists the targets.

GO      ?= go
PREFIX  ?= /usr/local
DESTDIR ?=
# Options for `go test`, for example TESTFLAGS='-v -run TestClaim'.
TESTFLAGS ?=
# How long each fuzz test runs.
FUZZTIME ?= 20s
# Options for Go's benchmarks.
BENCHFLAGS ?= -benchmem

LINT     = $(GO) tool -modfile=tools/lint/go.mod golangci-lint
DEADCODE = $(GO) tool -modfile=tools/deadcode/go.mod deadcode

# How tests are run: $(call gotest,flags,packages). With SUMMARY=1 what has failed is shown again
# at the end, and is run once more by itself; what passes then is said to be flaky.
gotest = $(GO) test $(1) $(TESTFLAGS) $(2)
ifdef SUMMARY
gotest = $(GO) tool -modfile=tools/gotestsum/go.mod gotestsum --format=standard-verbose --hide-summary=skipped \
	--rerun-fails=1 --rerun-fails-max-failures=3 --rerun-fails-run-root-test --rerun-fails-abort-on-data-race \
	--packages='$(2)' -- $(1) $(TESTFLAGS)
endif

# Where what is built goes.
BIN ?= bin

# Where `make install` puts what systemd, man and the shells read: they look there.
UNITDIR     ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
# The catalog is read from here only.
CATALOGDIR ?= /usr/lib/systemd/catalog
MANDIR      ?= $(PREFIX)/share/man
BASHDIR     ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR      ?= $(PREFIX)/share/zsh/site-functions
FISHDIR     ?= $(PREFIX)/share/fish/vendor_completions.d

BUILDFLAGS = -trimpath -ldflags='-s -w'

.DEFAULT_GOAL = build

.PHONY: build
build: ## build bin/importerd, static and stripped
	CGO_ENABLED=0 $(GO) build $(BUILDFLAGS) -o $(BIN)/importerd ./cmd/importerd

.PHONY: man
man: ## make the man pages, in bin/man
	@GO='$(GO)' scripts/man $(BIN)/man

# They are printed by the program: by one for this machine, whatever it is built for.
.PHONY: completions
completions: ## make the completions of the shells, in bin/completions
	@mkdir -p $(BIN)/completions
	@set -e; for shell in bash zsh fish; do \
		CGO_ENABLED=0 GOARCH= $(GO) run $(BUILDFLAGS) ./cmd/importerd completion $$shell >$(BIN)/completions/$$shell; \
	done

.PHONY: demo
demo: build ## show files on their way through a spool (half a minute)
	@scripts/demo

.PHONY: test
test: deps ## run all tests; as root on Debian, first install the programs that they need
	$(call gotest,,./...)

.PHONY: test-faults
test-faults: deps ## kill it, cut its power, break its disk: minutes, and most of it as root
	FAULTS=1 $(call gotest,-count=1 -timeout 20m -v,./test/faults/)

.PHONY: test-systemd
test-systemd: deps ## run the daemon under real systemds in namespaces: as root, minutes
	SYSTEMD=1 $(call gotest,-count=1 -parallel 8 -timeout 20m -v,./test/systemd/)

.PHONY: test-packages
test-packages: deps ## look into .deb and .rpm, and build them twice: a minute
	PACKAGES=1 $(call gotest,-count=1 -timeout 15m -v,./test/packages/)

.PHONY: race
race: ## run all tests under the race detector (needs gcc)
	CGO_ENABLED=1 $(call gotest,-race,./...)

.PHONY: vet
vet: ## run go vet
	$(GO) vet ./...

.PHONY: lint
lint: ## check style and format (golangci-lint; its first build takes minutes)
	$(LINT) config verify
	$(LINT) run ./...

.PHONY: format
format: ## put the code into the form that lint wants
	$(LINT) fmt ./...

# The tool lists what it finds and exits 0 all the same.
.PHONY: deadcode
deadcode: ## list functions that nothing reaches; any is an error
	@dead=$$($(DEADCODE) ./...) && test -z "$$dead" || { echo "$$dead"; exit 1; }

.PHONY: check
check: build vet lint deadcode test race ## all of it: the only gate, green on every commit

.PHONY: bench
bench: ## measure it, its limits and its peers in one run: 15 minutes, with BENCH=quick 3
	$(GO) run ./bench $(if $(filter quick,$(BENCH)),-quick)

.PHONY: bench-go
bench-go: ## run the benchmarks of Go's own kind
	$(GO) test -run='^$$' -bench=. $(BENCHFLAGS) ./...

.PHONY: fuzz
fuzz: ## run each fuzz test for FUZZTIME (20s)
	@scripts/fuzz $(FUZZTIME)

.PHONY: cover
cover: ## run all tests and write coverage.out and a list by function
	$(GO) test -coverpkg=./... -coverprofile=coverage.out ./...
	$(GO) tool cover -func=coverage.out

.PHONY: install
install: build man completions ## install all but a configuration below DESTDIR and PREFIX (/usr/local)
	install -D -m 0755 $(BIN)/importerd $(DESTDIR)$(PREFIX)/bin/importerd
	install -D -m 0644 packaging/importerd.service $(DESTDIR)$(UNITDIR)/importerd.service
	sed -i 's|/usr/bin/importerd|$(PREFIX)/bin/importerd|' $(DESTDIR)$(UNITDIR)/importerd.service
	install -D -m 0644 packaging/importerd.socket $(DESTDIR)$(UNITDIR)/importerd.socket
	install -D -m 0644 packaging/importerd.sysusers $(DESTDIR)$(SYSUSERSDIR)/importerd.conf
	install -D -m 0644 packaging/importerd.tmpfiles $(DESTDIR)$(TMPFILESDIR)/importerd.conf
	install -D -m 0644 packaging/importerd.catalog $(DESTDIR)$(CATALOGDIR)/importerd.catalog
	install -D -m 0644 $(BIN)/man/importerd.8.gz $(DESTDIR)$(MANDIR)/man8/importerd.8.gz
	install -D -m 0644 $(BIN)/man/importerd.toml.5.gz $(DESTDIR)$(MANDIR)/man5/importerd.toml.5.gz
	install -D -m 0644 $(BIN)/completions/bash $(DESTDIR)$(BASHDIR)/importerd
	install -D -m 0644 $(BIN)/completions/zsh $(DESTDIR)$(ZSHDIR)/_importerd
	install -D -m 0644 $(BIN)/completions/fish $(DESTDIR)$(FISHDIR)/importerd.fish

.PHONY: uninstall
uninstall: ## remove what install has installed; configuration and spools stay
	rm -f $(DESTDIR)$(PREFIX)/bin/importerd
	rm -f $(DESTDIR)$(UNITDIR)/importerd.service $(DESTDIR)$(UNITDIR)/importerd.socket
	rm -f $(DESTDIR)$(SYSUSERSDIR)/importerd.conf $(DESTDIR)$(TMPFILESDIR)/importerd.conf
	rm -f $(DESTDIR)$(CATALOGDIR)/importerd.catalog
	rm -f $(DESTDIR)$(MANDIR)/man8/importerd.8.gz $(DESTDIR)$(MANDIR)/man5/importerd.toml.5.gz
	rm -f $(DESTDIR)$(BASHDIR)/importerd $(DESTDIR)$(ZSHDIR)/_importerd $(DESTDIR)$(FISHDIR)/importerd.fish

.PHONY: archive
archive: ## write dist/importerd.tar.gz: what install installs, to be unpacked on a server
	@GO='$(GO)' MAKE='$(MAKE)' scripts/archive

.PHONY: package
package: ## write .deb and .rpm to dist/ (the first build of nfpm takes a minute)
	@GO='$(GO)' MAKE='$(MAKE)' scripts/package

.PHONY: deps
deps:
	@scripts/deps

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist coverage.out

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12
