# Fairlead: the commands that people use. Each says what it lacks, and installs it where it may.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GOFLAGS += -trimpath
LDFLAGS := -s -w -X fairlead/cmd/internal/version.Version=$(VERSION)
CONSOLE := $(shell find api/console -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

# Packages whose tests start whole worlds of processes. Those of PATIENT wait more than they compute and have wide bounds in time, so two of them go
# at once; the others are held to what is promised: one after another, with nothing beside them.
PATIENT := ^fairlead/cmd/internal/(daemon|lab)(/|$$)
WORLDS := ^fairlead/cmd/internal/(daemon|demo|lab|manual)(/|$$)

# What one goroutine does many times over, for which the race detector has a shorter form.
LONG := ^(TestHistories|TestTwoPublishersRacing|TestNoDamagedByte)

.PHONY: build demo test chaos soak lint bench fuzz clean

build: bin/fairlead ## bin/fairlead, with its console

demo: ## a self-contained world to break: three regions, a real PostgreSQL pair
	@.ci/needs go node postgres
	@$(MAKE) --no-print-directory build
	@bin/fairlead demo

bin/fairlead: api/console/dist/index.html FORCE
	@.ci/needs go
	go build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/fairlead

api/console/dist/index.html: $(CONSOLE)
	@.ci/needs node
	cd api/console && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build
	@touch $@

test: ## everything, the race detector on, with real databases and a real browser
	@.ci/needs go node postgres chromium dig knot nsd bind9 ip
	@$(MAKE) --no-print-directory build lint
	cd api/console && npm run --silent check && npm run --silent types:check && npm run --silent test
	@export FAIRLEAD_REQUIRE_ALL=1; walked=$$(mktemp); trap 'rm -f "$$walked"' EXIT; { \
	  (cd api/console && npm run --silent test:e2e) >"$$walked" 2>&1 & browser=$$!; \
	  go test -race -json -timeout 15m $$(go list ./... | grep -vE '$(WORLDS)') || failed=1; \
	  wait $$browser || { failed=1; echo '{"Action":"fail","Package":"api/console, in a browser"}'; }; cat "$$walked"; \
	  go test -race -json -timeout 15m -p 2 $$(go list ./... | grep -E '$(PATIENT)') || failed=1; \
	  go test -race -json -timeout 15m -p 1 $$(go list ./... | grep -E '$(WORLDS)' | grep -vE '$(PATIENT)') || failed=1; \
	  go test -json -run '$(LONG)' ./cmd/internal/sim ./cmd/internal/spread ./cmd/internal/backup || failed=1; \
	  exit $${failed:-0}; } | go run .ci/summary.go

CHAOS ?= 5m
chaos: ## random histories in a simulation, then faults in an order by chance in three real regions, each for CHAOS (5m), with printed seeds. Needs root
	@.ci/needs go ip
	go test -count=1 -timeout 0 -v -run TestHistories ./cmd/internal/sim -for $(CHAOS)
	FAIRLEAD_REQUIRE_ALL=1 FAIRLEAD_CHAOS=$(CHAOS) go test -count=1 -v -timeout 0 -run '^TestChaos$$' ./cmd/internal/lab

SOAK ?= 3h
GONE ?= 1h
soak: ## GONE (1h) without a quorum, then chaos for SOAK (3h). Needs root
	@.ci/needs go ip
	FAIRLEAD_REQUIRE_ALL=1 FAIRLEAD_QUORUM_GONE=$(GONE) FAIRLEAD_CHAOS=$(SOAK) go test -count=1 -v -timeout 0 -run '^(TestAnswersOutliveTheQuorum|TestChaos)$$' ./cmd/internal/lab

lint: ## formatting, vet, and that what is generated is current
	@bad=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); [ -z "$$bad" ] || { echo "run gofmt -w on: $$bad"; exit 1; }
	go vet ./...

bench: ## the project's own benchmarks
	go test -run '^$$' -bench . -benchmem ./regions/... ./dns/... ./cmd/internal/store/... ./cmd/internal/sim

fuzz: ## each fuzzer for a minute
	@go list -f '{{.Dir}}' ./... | while read -r dir; do \
	  { grep -ho '^func Fuzz[A-Za-z0-9_]*' "$$dir"/*_test.go 2>/dev/null || true; } | sed 's/^func //' | while read -r name; do \
	    echo "$$name in $${dir#$(CURDIR)/}"; go test -run '^$$' -fuzz "^$$name\$$" -fuzztime 60s "$$dir"; done; done

clean:
	rm -rf bin api/console/dist/assets api/console/dist/index.html

FORCE:
