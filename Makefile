# make help lists the targets. Go, git and make are all that is needed.
SHELL := /bin/bash
GO    ?= go
# No C compiler is needed, and none is used where there is one: what is tested
# is what the image runs.
export CGO_ENABLED ?= 0
VERSION ?= $(shell git describe --always --dirty 2>/dev/null || echo dev)

.DEFAULT_GOAL := help
.PHONY: help build dev demo bench test test-product lives test-rules test-dev generate spec lint race histories clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/firstpass, the product
	@echo "compiling firstpass (the first time: about five minutes and 6 GiB, for the Graph SDK)"
	@$(GO) build -ldflags '-s -w -X main.version=$(VERSION)' -o bin/firstpass ./cmd/firstpass

bin/firstpass-dev: build
	@echo "compiling the development world (the first time: about ten minutes, for the Temporal server)"
	@$(GO) build -C cmd/dev -o ../../bin/firstpass-dev .

.PHONY: bin/firstpass-dev

demo: bin/firstpass-dev ## tell a joiner's story step by step; SEND=1: by mail; JOURNEY=mover, recovery, staging, rehire, rescinded, no-show or moved-date: another
	@bin/firstpass-dev demo --firstpass bin/firstpass $(if $(JOURNEY),--journey $(JOURNEY)) $(if $(SEND),--send)

dev: bin/firstpass-dev ## the same world, left running; state in .dev
	@bin/firstpass-dev run --firstpass bin/firstpass

bench: bin/firstpass-dev ## how fast the intake takes new employees and the page shows passes (about six minutes; wants two idle cores)
	@bin/firstpass-dev bench --firstpass bin/firstpass
	@bin/firstpass-dev reveals --firstpass bin/firstpass

test: test-product test-rules test-dev ## every test, a real Temporal server included

test-rules: ## Prometheus's own engine tries the alert rules (a module of its own; a minute the first time)
	$(GO) test -C deploy/prometheus -vet=off ./...

# A life is its seed: what breaks a promise breaks it again. So that a red build
# is the change's own doing, every build plays the same ten thousand; make lives
# plays others.
LIVES_SEED ?= 1

test-product:
	$(GO) test ./...
	$(GO) test ./worker -count=1 -run '^TestLives$$' -lives 10000 -lives.seed $(LIVES_SEED) -timeout 20m -v

lives: ## play ten thousand random lives that nobody has seen, and print the seed of any that breaks a promise
	$(GO) test ./worker -count=1 -run '^TestLives$$' -lives 10000 -timeout 60m -v

test-dev:
	$(GO) test -C cmd/dev -vet=off -p 1 -parallel 8 -timeout 30m ./...

generate: ## write internal/ops/api/api.gen.go anew, of openapi.yaml
	$(GO) generate ./internal/ops/api

bin/oasdiff: tools/oasdiff.mod
	$(GO) build -modfile tools/oasdiff.mod -o $@ github.com/oasdiff/oasdiff

# The generated code is that of the description, and the description breaks no
# client of the last release.
spec: bin/oasdiff ## hold the API's generated code and the last release against its description
	cd internal/ops/api && $(GO) run -modfile ../../../tools/go.mod github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen -config generate.yaml -o ../../../bin/api.gen.go openapi.yaml
	diff -q bin/api.gen.go internal/ops/api/api.gen.go || { echo "run make generate"; exit 1; }
	FIRSTPASS_OASDIFF=$(CURDIR)/bin/oasdiff $(GO) test ./internal/ops/api -count=1 -run '^TestBreaking'

lint: spec ## go vet (by golangci-lint), workflowcheck, golangci-lint and the API's description
	@# Not the tests: the random lives run activities within a workflow on purpose.
	$(GO) run -modfile tools/go.mod go.temporal.io/sdk/contrib/tools/workflowcheck -test=false ./workflows/... ./worker/...
	$(GO) build -modfile tools/go.mod -o bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	bin/golangci-lint run
	cd cmd/dev && ../../bin/golangci-lint run --config ../../.golangci.yml

race: ## the product's tests under the race detector (needs a C compiler; compiles everything anew)
	CGO_ENABLED=1 $(GO) test -race -vet=off ./...

histories: ## record the histories that the replay tests use
	FIRSTPASS_RECORD=1 $(GO) test -C cmd/dev -run 'TestJourneys|TestSources' -count=1 .

clean: ## remove what was built and the development world's state
	rm -rf bin .dev
