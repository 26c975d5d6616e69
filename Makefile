# The two commands of every day: `make test` and `go run ./cmd/vcycle train`.
GO ?= go

.PHONY: all build test bench generate lint cross

all: build test

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o vcycle ./cmd/vcycle

test:
	$(GO) vet ./...
	$(GO) test ./...

# Kernels and the training step; compare two runs with benchstat. Use BENCH to select.
BENCH ?= .
bench:
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime 300ms ./kernels ./nn

generate:
	$(GO) generate ./...

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	GOARCH=arm64 $(GO) vet ./...
	GOARCH=riscv64 $(GO) vet ./...
	$(GO) vet -tags noasm ./...
	$(GO) run $(STATICCHECK) ./...

# Every platform builds without cgo; riscv64 stands for those that have the generic row only.
PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64 linux/riscv64
cross:
	@for p in $(PLATFORMS); do \
		echo "build $$p"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null ./... || exit 1; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) test -exec true ./... >/dev/null || exit 1; \
	done
