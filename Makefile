# A thin front door to CMake. `make help` lists the targets.
BUILD  ?= build
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX ?= /usr/local
CYCLES ?= 1000

CMAKE_FLAGS ?=

.PHONY: help deps build demo examples test test-quick test-python python-conformance python-reference python-asan install bench \
        fuzz tsan conformance tidy format clean

help:
	@echo 'make demo         build, then load, predict and unload two models, 1,000 times, with the verdict'
	@echo 'make examples     build and run every example and guide, compare what they print'
	@echo 'make test         the whole test suite: gcc and clang, sanitizers, tidy'
	@echo 'make test-quick   gcc only, without sanitizers'
	@echo 'make build        library and command in $(BUILD)/'
	@echo 'make test-python  tests of the Python package, mypy, ruff, installation'
	@echo 'make install      into PREFIX (now: $(PREFIX)); DESTDIR is honoured'
	@echo 'make deps         install the Debian packages that are missing'
	@echo 'make conformance  every case of the folder that EBB_SHARED names, as a table'
	@echo 'make python-conformance  the same cases through Python: equal results'
	@echo "make python-reference  the package's documentation into build-reference/"
	@echo 'make python-asan  the Python tests with the library under the address sanitizer'
	@echo 'make tsan         lifecycle tests under the thread sanitizer'
	@echo 'make fuzz         fuzz each reader for FUZZ_SECONDS (60)'
	@echo 'make bench        side-by-side benchmark'
	@echo 'make tidy         style, floors and size limits'
	@echo 'make format       clang-format over the tree'
	@echo 'make clean        remove build folders'

deps:
	@sh tools/deps.sh build

build: deps
	@cmake -S . -B $(BUILD) $(CMAKE_FLAGS) > $(BUILD).log 2>&1 || (cat $(BUILD).log; false)
	@rm -f $(BUILD).log
	@cmake --build $(BUILD) -j $(JOBS)

demo: build
	@$(BUILD)/ebb demo --models examples/models --cycles $(CYCLES)

examples:
	@sh tools/deps.sh test
	@sh tools/test.sh examples

test:
	@sh tools/deps.sh test
	@sh tools/test.sh all

test-quick:
	@sh tools/deps.sh test
	@sh tools/test.sh quick

test-python:
	@sh tools/deps.sh test
	@sh tools/test.sh python

python-conformance:
	@sh tools/deps.sh test
	@sh tools/test.sh python_conformance

python-reference:
	@sh tools/deps.sh test
	@sh tools/test.sh reference

python-asan:
	@sh tools/deps.sh test
	@sh tools/test.sh python_asan

tsan:
	@sh tools/deps.sh test
	@sh tools/test.sh tsan

conformance:
	@sh tools/deps.sh test
	@sh tools/test.sh conformance

fuzz:
	@sh tools/deps.sh test
	@sh tools/test.sh fuzz

bench: build
	@sh tools/bench.sh $(BUILD)

install: build
	@cmake --install $(BUILD) --prefix $(PREFIX)

tidy:
	@python3 tools/tidy.py

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	@rm -rf build build-*
