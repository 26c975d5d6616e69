# The two commands of every day: `make test` and `go run ./cmd/vcycle train`.
GO ?= go

.PHONY: all build test bench generate lint race rows cross release qemu qemu-all mca ulp fuzz figures nested-iteration work-precision results-envelope results-schedules results-sgd results-refinement results-methods results-depth results-width results-ablations results-cosine results-operators results-vocabulary results-scale

all: build test

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o vcycle ./cmd/vcycle

test:
	$(GO) vet ./...
	$(GO) test ./...

# Kernels and the training step; compare two runs with benchstat. BENCH selects by regular expression.
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
	$(GO) vet -tags noasm ./...
	$(GO) run $(STATICCHECK) ./...
	@$(GO) mod tidy -diff
	@test "$$($(GO) list -deps -f '{{with .Module}}{{.Path}}{{end}}' ./kernels | sort -u | tr '\n' ' ')" = \
		"github.com/klauspost/cpuid/v2 github.com/vcycle-go/vcycle golang.org/x/sys " || { echo 'kernels depends on more than cpuid and x/sys'; exit 1; }
	@deps=$$($(GO) list -deps ./cmd/vcycle) && case "$$deps" in *mmcloughlin/avo*) echo 'avo is for the generators only'; exit 1;; esac

# The race detector needs cgo and a C compiler. It does not see what assembly writes. Bounds, elementary
# functions and small products, which one goroutine checks alone, are left to make test.
race:
	CGO_ENABLED=1 $(GO) test -race -skip '^Test(ExportedGuard|ExportedInPlace|Elementary|Small)$$' ./kernels
	CGO_ENABLED=1 $(GO) test -race ./nn ./multilevel

# The same tests on every row that the machine has, without AMX where it has that, and without assembly. Results are not taken from the
# cache, which does not know that a program looks at these variables before its tests begin. The generic row is what is left
# without assembly.
rows:
	if grep -sqw amx_bf16 /proc/cpuinfo; then VCYCLE_AMX=0 $(GO) test -count=1 ./nn ./multilevel; fi
	VCYCLE_ISA=avx2 $(GO) test -count=1 ./nn ./multilevel ./cmd/vcycle
	VCYCLE_ISA=generic $(GO) test -count=1 ./nn
	$(GO) test -tags noasm ./kernels ./nn ./multilevel

# Every platform builds without cgo; riscv64 stands for those that have only the generic row.
PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64 linux/riscv64
cross:
	@for p in $(PLATFORMS); do \
		echo "build $$p"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null ./cmd/vcycle || exit 1; \
	done
	GOOS=windows $(GO) vet ./...
	GOOS=darwin GOARCH=arm64 $(GO) vet ./...
	GOARCH=riscv64 $(GO) vet ./...

# Static archives of the command for every platform that has fast kernels or many users, and their SHA-256, in
# dist/. The same commit and Go give the same bytes: no paths, and the time of the commit everywhere. VERSION
# names them; the binary says the version that Go takes from the tag and the commit.
RELEASES = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
VERSION ?= $(shell git describe --tags --always --dirty)
release:
	rm -rf dist && mkdir dist && $(GO) run ./cmd/vcycle help --man > dist/vcycle.1
	@set -e; at=$$(git log -1 --format=%ct); \
	for p in $(RELEASES); do \
		os=$${p%/*}; name=vcycle-$(VERSION)-$$os-$${p#*/}; binary=vcycle; \
		[ $$os != windows ] || binary=vcycle.exe; \
		echo "$$name"; mkdir dist/$$name; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$${p#*/} $(GO) build -trimpath -ldflags '-s -w -buildid=' -o dist/$$name/$$binary ./cmd/vcycle; \
		cp LICENSE README.md CHANGELOG.md dist/vcycle.1 dist/$$name/; \
		find dist/$$name -exec touch -d @$$at {} +; \
		tar -C dist --sort=name --mtime=@$$at --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w --format=ustar -cf - $$name | gzip -9n > dist/$$name.tar.gz; \
		rm -r dist/$$name; \
	done
	rm dist/vcycle.1
	cd dist && sha256sum *.tar.gz > SHA256SUMS && cat SHA256SUMS

# The dispatch rows of other CPUs, under qemu-user. VCYCLE_WANT_ISA makes a row that is not there a
# failure, VCYCLE_WANT_BF16 a CPU without FEAT_BF16, as cortex-a57 is. SandyBridge has AVX but no FMA,
# Nehalem no AVX: both must take the generic row. The older Arm core and SandyBridge run what depends on
# their difference. On amd64 the tests of blocks, parts and threads are left out, and those of nn: they are
# about Go code, and `make test` and `make rows` run them on the same rows without an emulator. The tests of
# LAPACK, multilevel and cmd/vcycle, minutes long there, are for qemu-all, and so are those of nn's clock,
# memory and recomputation, of dozens of networks each. One package at a time: threads that wait for work
# would take the processor from another emulator. At last, a row that is not in use is shown not to be executed.
QEMU_X86 = CGO_ENABLED=0 GOOS=linux GOARCH=amd64
QEMU_ARM = CGO_ENABLED=0 GOOS=linux GOARCH=arm64
QEMU_TEST = $(GO) test -p 1 -timeout 30m
QEMU = ./kernels/... ./nn ./odeint ./tensor ./internal/...
NATIVE = ^Test(LAPACK|Elementary|Gemv|Rounded|Small|Sums|.*(Bits|Blocks|Grid|Parts|Threads))$$
qemu:
	$(QEMU_ARM) VCYCLE_WANT_ISA=neon,generic VCYCLE_WANT_BF16=1 $(QEMU_TEST) -skip '^Test(LAPACK|Clock|Memory|Recompute)$$' -exec 'qemu-aarch64 -cpu max' $(QEMU)
	$(QEMU_ARM) VCYCLE_WANT_ISA=neon,generic $(QEMU_TEST) -run '^Test(WantISA|.*Bgemm.*|.*BFloat16|Product.*|RowInvariant)$$' -exec 'qemu-aarch64 -cpu cortex-a57' ./kernels
	$(QEMU_X86) VCYCLE_WANT_ISA=avx2,generic $(QEMU_TEST) -skip '$(NATIVE)' -exec 'qemu-x86_64 -cpu Haswell' ./kernels
	$(QEMU_X86) VCYCLE_WANT_ISA=generic $(QEMU_TEST) -run '^Test(WantISA|Choose|ForcedRow|Sgemm|Dgemm|Exp|Softmax)$$' -exec 'qemu-x86_64 -cpu SandyBridge' ./kernels
	$(QEMU_X86) VCYCLE_WANT_ISA=generic $(QEMU_TEST) -skip '$(NATIVE)' -exec 'qemu-x86_64 -cpu Nehalem' ./kernels
	GO=$(GO) .ci/disabled-rows

# Everything on an arm64 of qemu-user, for which ten minutes are not enough.
qemu-all:
	$(QEMU_ARM) $(GO) test -timeout 2h -exec 'qemu-aarch64 -cpu max' ./...

# The inner loops of the NEON matrix products against the multiply-add bound of four Arm cores, by
# static analysis of the linked kernels; needs llvm-mca and llvm-objdump of LLVM 16 or later.
mca:
	$(GO) run ./internal/mca

# The elementary functions at every float32: prints the largest errors, which kernels/doc.go lists.
ulp:
	$(GO) test -run Everywhere -ulp -v -timeout 3h ./kernels

# The comparison of docs/nested-iteration.md; about 40 minutes on two cores.
nested-iteration:
	docs/nested-iteration.sh

# The pictures of docs/method.md.
figures:
	$(GO) run ./internal/figures

# The figures of docs/results: each a comparison that goes on where it was left, in runs/results.
results-envelope results-schedules results-sgd results-refinement results-methods results-depth results-width results-ablations results-cosine results-operators results-vocabulary results-scale:
	docs/results/$(@:results-%=%).sh

# The figure of docs/odeint.md; seconds.
work-precision:
	$(GO) run ./internal/workprecision -peers docs/work-precision.csv -o docs/work-precision.png

# Each fuzz target for FUZZTIME.
FUZZTIME ?= 30s
fuzz:
	@for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			$(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done
