# C without Python: the core as a static library, and its tests.
#
#   make -f tools/c.mk core                      build/core/libsharedobj_core.a
#   make -f tools/c.mk CC=clang SAN=tsan test    tests/c under one compiler and sanitizer
#
# tests/c/test_*.c and tests/c/torture/*_torture.c are programs, tests/c/support/*.c is
# linked into each. The tests' core is compiled with SOBJ_TEST, which turns on fault and
# yield injection. SAN: plain, asan (with UBSan), tsan.

SHELL := /bin/bash
ifeq ($(origin CC),default)
CC := cc
endif
SAN ?= plain
TORTURE_THREADS ?= 4
TORTURE_SECONDS ?= 1
SEED := $(or $(SEED),$(shell echo $$RANDOM$$RANDOM))

BASE := $(shell cat tools/build/c.flags) -Iinclude -Ishared \
        $(shell pkg-config --cflags liburcu-bp atomic_ops)
LIBS := $(shell pkg-config --libs liburcu-bp) -lpthread -lm

FLAGS_core  := -O2 -g -fPIC
FLAGS_plain := -O2 -g
# liburcu's inlined read lock reaches a record that its library aligns less than its header
# promises, which UBSan reports in our name: there the library's own function is called.
FLAGS_asan  := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
               -fno-omit-frame-pointer -U_LGPL_SOURCE
FLAGS_tsan  := -O1 -g -fsanitize=thread -fno-omit-frame-pointer

ifneq ($(filter core,$(MAKECMDGOALS)),)
OUT   := build/core
FLAGS := $(BASE) $(FLAGS_core) $(CFLAGS)
else
OUT   := build/c/$(notdir $(firstword $(CC)))-$(SAN)
FLAGS := $(BASE) $(FLAGS_$(SAN)) -DSOBJ_TEST=1 $(CFLAGS)
endif

CORE     := $(patsubst %.c,$(OUT)/%.o,$(sort $(wildcard shared/*.c shared/platform/*.c)))
SUPPORT  := $(patsubst %.c,$(OUT)/%.o,$(sort $(wildcard tests/c/support/*.c)))
UNIT     := $(patsubst tests/c/%.c,%,$(sort $(wildcard tests/c/test_*.c)))
TORTURE  := $(patsubst tests/c/torture/%.c,%,$(sort $(wildcard tests/c/torture/*_torture.c)))
LIBRARY  := $(OUT)/libsharedobj_core.a

.PHONY: core programs test show FORCE $(UNIT:%=run-%) $(TORTURE:%=run-%)
.SECONDARY:

core: $(LIBRARY)
programs: $(UNIT:%=$(OUT)/%) $(TORTURE:%=$(OUT)/%)
test: $(UNIT:%=run-%) $(TORTURE:%=run-%)

# Where things go and how they are made, for tests/c/mutants/run.
show:
	@printf '%s\n' '$(OUT)' '$(FLAGS)' '$(LDFLAGS) $(LIBS)'

# Other flags or another compiler make other objects.
$(OUT)/.command: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$$($(CC) --version) $(CC) $(FLAGS)" > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(OUT)/%.o: %.c $(OUT)/.command
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(if $(filter tests/%,$<),-Itests/c -Itests/c/support) -MD -MP -c $< -o $@

# Made anew, so that the object of a file that is gone leaves it.
$(LIBRARY): $(CORE)
	@rm -f $@
	$(AR) rcs $@ $^

$(OUT)/test_%: $(OUT)/tests/c/test_%.o $(SUPPORT) $(LIBRARY)
	$(CC) $(FLAGS) $^ $(LDFLAGS) $(LIBS) -o $@

$(OUT)/%_torture: $(OUT)/tests/c/torture/%_torture.o $(SUPPORT) $(LIBRARY)
	$(CC) $(FLAGS) $^ $(LDFLAGS) $(LIBS) -o $@

$(UNIT:%=run-%): run-%: $(OUT)/%
	@tools/run-tap $(OUT)/$*

$(TORTURE:%=run-%): run-%: $(OUT)/%
	@tools/run-tap $(OUT)/$* $(TORTURE_THREADS) $(TORTURE_SECONDS) $(SEED)

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
