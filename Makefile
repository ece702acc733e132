# make run        builds what is missing and starts Millrace on this machine
# make run LAN=1  the same, reachable from other machines over HTTPS
# make test       installs what is missing and runs every test
# make help       lists the rest

MILLRACE_FLAGS ?=
ifdef LAN
LAN_FLAGS := --set http.listen=0.0.0.0:7880 --set http.tls_listen=0.0.0.0:7443
endif
PREFIX ?= /usr
WEB := signalling/web
WEB_SOURCES := $(shell git ls-files $(WEB) 2>/dev/null)
FUZZ_SECONDS ?= 60

.PHONY: run test interop test-long page bench ebpf install fmt help
.DEFAULT_GOAL := help

help: ## Lists these targets.
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Starts all in one and prints the URL to open (LAN=1: for other machines too).
	@.ci/install run
	@$(MAKE) --no-print-directory page
	@echo "building millrace (the first time takes some minutes)"
	cargo build --release --locked
	ulimit -l unlimited 2>/dev/null; exec target/release/millrace serve $(LAN_FLAGS) $(MILLRACE_FLAGS)

test: ## Everything that must pass before a change lands.
	@.ci/install test
	@$(MAKE) --no-print-directory page
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --locked
	.ci/ebpf
	.ci/units
	$(MAKE) --no-print-directory interop
	npm --prefix $(WEB) test
	npm --prefix tests/browser ci --no-audit --no-fund
	MILLRACE_BIN=$(CURDIR)/target/debug/millrace npm --prefix tests/browser test

interop: ## Clients of other makers, from PyPI, against the binary that `make test` built.
	python3 -m venv target/interop
	target/interop/bin/pip install --quiet --disable-pip-version-check \
		-r tests/interop/requirements.txt
	MILLRACE_BIN=$(CURDIR)/target/debug/millrace target/interop/bin/python -m unittest discover \
		-s tests/interop -p '*_test.py'

test-long: ## Fuzzing, more seeds, licences: run before an issue is called resolved.
	@.ci/install test
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	cargo deny check licenses bans sources
	WORLD_SEEDS=200 cargo test --workspace --test world --locked
	BUS_ROUNDS=20 cargo test --workspace --test backends --locked replaced
	WORLD_SEEDS=40 cargo test --workspace --test models --test voices --locked
	cd tests/fuzz && for target in $$(ls fuzz_targets | sed 's/\.rs$$//'); do \
		mkdir -p corpus/$$target; \
		RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir . $$target corpus/$$target seeds/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 || exit 1; \
	done

page: $(WEB)/dist/index.html ## Builds the conference page.

$(WEB)/dist/index.html: $(WEB_SOURCES)
	@echo "building the page"
	npm --prefix $(WEB) ci --no-audit --no-fund
	npm --prefix $(WEB) run build
	@touch $@

bench: ## Measures us beside coturn and Janus, in under 15 minutes, into one report.
	@.ci/install bench
	@$(MAKE) --no-print-directory page
	cargo build --release --locked -p millrace -p millrace-bench
	target/release/millrace-bench compare --json target/bench.json --html target/bench.html

ebpf: ## Builds the kernel's program anew, into ebpf/loader/object/.
	.ci/ebpf install
	ebpf/build ebpf/loader/object
	ebpf/stamp > ebpf/loader/object/stamp

install: page ## Installs binary and unit (DESTDIR and PREFIX are honoured).
	cargo build --release --locked
	install -D -m 755 target/release/millrace $(DESTDIR)$(PREFIX)/bin/millrace
	install -D -m 644 systemd/millrace.service $(DESTDIR)/lib/systemd/system/millrace.service
	install -D -m 644 systemd/millrace.service.d/xdp.conf \
		$(DESTDIR)$(PREFIX)/share/doc/millrace/millrace.service.d/xdp.conf
	install -D -m 644 systemd/millrace.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/millrace.conf
	install -D -m 644 systemd/millrace.sysctl $(DESTDIR)$(PREFIX)/lib/sysctl.d/60-millrace.conf
	install -d -m 755 $(DESTDIR)/etc/millrace
	test -e $(DESTDIR)/etc/millrace/millrace.toml || \
		install -m 640 systemd/millrace.toml $(DESTDIR)/etc/millrace/millrace.toml

fmt: ## Formats the Rust code.
	cargo fmt --all
