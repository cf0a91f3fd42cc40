# telebridge: `make run` shows it, `make test` proves it, `make help` lists the rest.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

DENO := .tools/deno
export DENO_NO_UPDATE_CHECK := 1

# What `setup` installs: as much as the target takes (tools/setup.sh).
SETUP := run
wheel examples: SETUP := python
notices dist: SETUP := dist
test torture fmt: SETUP := test
bench: SETUP := bench

# The browser's bundles are made anew when one of these has changed.
BUNDLE_SOURCES := deno.json deno.lock tools/bundle.ts tools/entries.ts \
  $(shell find islands viewer proto -type f -not -path 'proto/gen/*' -not -name '*_test.ts')

PROTO_SOURCES := deno.json tools/protos.ts $(wildcard proto/buf*.yaml proto/telebridge/v1/*.proto)

##@ To use it
.PHONY: run
run: build ## start the server with a live demo run (ARGS="--port 8080" passes flags on)
	@exec bin/telebridge serve --demo $(ARGS)

.PHONY: build
build: native protos dist/bundled bin/telebridge ## build all of it: the C library, the pages, bin/telebridge

.PHONY: setup
setup: ## install what is missing: Deno, npm and Debian packages (nothing twice)
	@tools/setup.sh $(SETUP)

.PHONY: wheel
wheel: build ## build the Python package, wheel and sources, into clients/python/dist
	@$(MAKE) --silent -C clients/python wheel

.PHONY: c-client
c-client: build ## build the C client's archive into clients/c/dist
	@$(MAKE) --silent -C clients/c package

.PHONY: notices
notices: build launcher ## write whose software telebridge contains into dist/THIRD_PARTY_NOTICES.txt
	@$(DENO) run --quiet --allow-all tools/notices.ts

.PHONY: dist
dist: notices ## build dist/telebridge, the one file to copy to other machines (KIND=bundle or compiled)
	@$(DENO) run --quiet --allow-all tools/dist.ts $(if $(KIND),--kind "$(KIND)")

.PHONY: examples
examples: wheel ## install that package and Gymnasium into .tools/python, where examples/ run
	@tools/python_venv.sh gymnasium

##@ To work on it
.PHONY: test
test: build ## run every test (SUITE=browser for one suite, FILTER=text for some tests)
	@exec $(DENO) run --allow-all tests/run.ts $(if $(SUITE),--suite "$(SUITE)") $(if $(FILTER),--filter "$(FILTER)")

.PHONY: torture
torture: build ## kill and cut everything again and again, and look what was lost: half an hour (ARGS=--help)
	@exec $(DENO) run --allow-all tests/torture/run.ts $(ARGS)

.PHONY: ok
ok: protos ## check format, lint and types: the quick look before a commit
	@$(DENO) task ok

.PHONY: fmt
fmt: setup ## format the sources
	@$(DENO) fmt --quiet
	@tools/format_c.sh

.PHONY: lint
lint: setup ## lint the sources
	@$(DENO) lint --quiet

.PHONY: check
check: protos ## check the types
	@$(DENO) check --quiet .

.PHONY: bench
bench: build ## run the benchmarks at full size: minutes (ARGS="ffi --smoke" for some of them)
	@exec $(DENO) run --allow-all bench/run.ts $(ARGS)

.PHONY: clean
clean: ## remove what was built (not .tools)
	@$(MAKE) -C native clean
	@rm -rf bin dist proto/gen clients/python/build clients/python/dist clients/c/build clients/c/dist

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

.PHONY: native
native: | setup
	@$(MAKE) --silent -C native
	@$(MAKE) --silent -C native/demo

.PHONY: launcher
launcher: | setup
	@$(MAKE) --silent -C native launcher

.PHONY: protos
protos: dist/telebridge.binpb

dist/telebridge.binpb: $(PROTO_SOURCES) | setup
	@echo "build: the durable lane's protocol" >&2
	@$(DENO) run --quiet --allow-all --cached-only tools/protos.ts
	@touch $@

dist/bundled: $(BUNDLE_SOURCES) | setup protos
	@echo "build: the pages" >&2
	@$(DENO) run --quiet --allow-all tools/bundle.ts
	@touch $@

bin/telebridge: tools/telebridge.sh
	@install -D -m 755 $< $@
