# `make` alone builds; `make help` lists the targets.

GO      ?= go
PREFIX  ?= /usr/local
DESTDIR ?=
# Options for `go test`, for example TESTFLAGS='-v -run TestClaim'.
TESTFLAGS ?=
# How long each fuzz test runs.
FUZZTIME ?= 20s
# Options for the benchmarks.
BENCHFLAGS ?= -benchmem

LINT     = $(GO) tool -modfile=tools/lint/go.mod golangci-lint
DEADCODE = $(GO) tool -modfile=tools/deadcode/go.mod deadcode

# Where `make install` puts what systemd reads: it looks there.
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d

.DEFAULT_GOAL = build

.PHONY: build
build: ## build bin/importerd, static and stripped
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/importerd ./cmd/importerd

.PHONY: demo
demo: build ## show files on their way through a spool (half a minute)
	@scripts/demo

.PHONY: test
test: deps ## run all tests; as root on Debian, first install the programs that they need
	$(GO) test $(TESTFLAGS) ./...

.PHONY: test-faults
test-faults: deps ## kill it, cut its power, break its disk: minutes, and most of it as root
	FAULTS=1 $(GO) test -count=1 -timeout 20m -v $(TESTFLAGS) ./test/faults/

.PHONY: test-systemd
test-systemd: deps ## run the daemon under real systemds in namespaces: as root, minutes
	SYSTEMD=1 $(GO) test -count=1 -timeout 15m -v $(TESTFLAGS) ./test/systemd/

.PHONY: race
race: ## run all tests under the race detector (needs gcc)
	CGO_ENABLED=1 $(GO) test -race $(TESTFLAGS) ./...

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
bench: ## measure importerd, the limits and its peers in one run (on a quiet machine)
	$(GO) run ./bench

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
install: build ## install program and units below DESTDIR and PREFIX (/usr/local)
	install -D -m 0755 bin/importerd $(DESTDIR)$(PREFIX)/bin/importerd
	install -d -m 0755 $(DESTDIR)$(UNITDIR)
	sed 's|/usr/bin/importerd|$(PREFIX)/bin/importerd|' packaging/importerd.service \
		> $(DESTDIR)$(UNITDIR)/importerd.service
	chmod 0644 $(DESTDIR)$(UNITDIR)/importerd.service
	install -m 0644 packaging/importerd.socket $(DESTDIR)$(UNITDIR)/importerd.socket
	install -D -m 0644 packaging/importerd.sysusers $(DESTDIR)$(SYSUSERSDIR)/importerd.conf
	install -D -m 0644 packaging/importerd.tmpfiles $(DESTDIR)$(TMPFILESDIR)/importerd.conf

.PHONY: package
package: ## write .deb and .rpm to dist/ (the first build of nfpm takes a minute)
	@GO='$(GO)' scripts/package

.PHONY: deps
deps:
	@scripts/deps

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist coverage.out

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12
