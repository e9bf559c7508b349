# Two programs, ceremony and ceremony-media. The targets that people use:
#   make · make deps · make demo · make check · make bench · make fuzz · make install
# SAN=1 builds with AddressSanitizer and UBSan into build-san/, FUZZ=1 with libFuzzer as well into build-fuzz/.

PREFIX   ?= /usr/local
DESTDIR  ?=
CC       ?= gcc
SAN      ?=
FUZZ     ?=
B        := $(if $(FUZZ),build-fuzz,$(if $(SAN),build-san,build))
VERSION  := 0.1.0
comma    := ,

PKGS_CEREMONY := glib-2.0 gio-unix-2.0 libssl libcrypto p11-kit-1 libp11 sqlite3 jansson yaml-0.1 libzip zlib libxml-2.0 ncursesw libqrencode tss2-esys tss2-mu tss2-rc tss2-tctildr
PKGS_MEDIA    := glib-2.0 gio-unix-2.0 libcrypto jansson gstreamer-1.0 gstreamer-app-1.0 gstreamer-video-1.0 libqrencode zbar vterm pangocairo libseccomp

ARCH := $(shell uname -m)
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wformat=2 -Wundef -Wno-unused-parameter
HARD := -fstack-protector-strong -fstack-clash-protection -fPIE $(if $(SAN)$(FUZZ),,-D_FORTIFY_SOURCE=2) $(if $(filter x86_64,$(ARCH)),-fcf-protection=full)
LINKHARD := -pie -Wl,-z,relro,-z,now,-z,noexecstack $(if $(filter x86_64,$(ARCH)),-Wl$(comma)-z$(comma)ibt$(comma)-z$(comma)shstk) -Wl,--as-needed
SANFLAGS := $(if $(FUZZ),-fsanitize=fuzzer-no-link$(comma)address$(comma)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
SANFLAGS += $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
CPPFLAGS_ALL := -D_GNU_SOURCE -I. -DCEREMONY_VERSION='"$(VERSION)"' -DCEREMONY_LIBEXECDIR='"$(PREFIX)/libexec/ceremony"' -DCEREMONY_DATADIR='"$(PREFIX)/share/ceremony"'
CFLAGS_ALL   := -std=gnu17 -O2 -g $(WARN) $(HARD) $(SANFLAGS) -MMD -MP $(CFLAGS)

# The rooms. libceremony.a is all of ceremony/ but its main; tests and fuzzers link it too.
LIB_SRC    := $(filter-out ceremony/main.c,$(wildcard ceremony/*.c ceremony/*/*.c ceremony/*/*/*.c))
UI_SRC     := $(wildcard ui/*.c)
MEDIA_SRC  := $(wildcard media/*.c)
BASE_SRC   := $(wildcard ceremony/base/*.c)
UNIT_SRC   := $(wildcard tests/unit/test-*.c)
UNIT_MEDIA := $(wildcard tests/unit/media-*.c)
UNIT_UI    := $(wildcard tests/unit/ui-*.c)
TEST_LIBS  := $(patsubst tests/lib/%.c,$(B)/tests/lib/%.so,$(wildcard tests/lib/*.c))
ATTACK_SRC := $(wildcard tests/attacks/*.c)

# V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1) $@")

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
UNIT_BIN   := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(UNIT_SRC) $(UNIT_MEDIA) $(UNIT_UI))
FUZZ_BIN   := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz-*.c))
ATTACK_BIN := $(patsubst tests/attacks/%.c,$(B)/tests/attacks/%,$(ATTACK_SRC))

# pkg-config is asked when something is built, not before make deps has run.
CF_CEREMONY = $(eval CF_CEREMONY := $$(shell pkg-config --cflags $(PKGS_CEREMONY)))$(CF_CEREMONY)
LD_CEREMONY = $(eval LD_CEREMONY := $$(shell pkg-config --libs $(PKGS_CEREMONY)) -ldl)$(LD_CEREMONY)
CF_MEDIA    = $(eval CF_MEDIA := $$(shell pkg-config --cflags $(PKGS_MEDIA)))$(CF_MEDIA)
LD_MEDIA    = $(eval LD_MEDIA := $$(shell pkg-config --libs $(PKGS_MEDIA)) -lm)$(LD_MEDIA)

# The objects of tests are kept, so that the next make check needn't compile them again.
.SECONDARY:
.PHONY: all deps demo check unit bench fuzz install clean tests
all: $(B)/ceremony $(B)/ceremony-media
tests: all $(B)/tests/bench/media-video $(UNIT_BIN) $(ATTACK_BIN) $(TEST_LIBS) $(if $(SAN),$(FUZZ_BIN))

$(B)/obj/media/%.o: media/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CF_MEDIA) $(CFLAGS_ALL) -c $< -o $@
$(B)/obj/tests/unit/media-%.o: tests/unit/media-%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CF_MEDIA) $(CFLAGS_ALL) -c $< -o $@
$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CF_CEREMONY) $(CFLAGS_ALL) -c $< -o $@

$(B)/libceremony.a: $(call obj,$(LIB_SRC))
	@rm -f $@
	$(call say,AR)
	$(Q)ar rcs $@ $^
$(B)/libui.a: $(call obj,$(UI_SRC))
	@rm -f $@
	$(call say,AR)
	$(Q)ar rcs $@ $^
$(B)/libmedia.a: $(call obj,$(filter-out media/main.c,$(MEDIA_SRC))) $(call obj,$(BASE_SRC))
	@rm -f $@
	$(call say,AR)
	$(Q)ar rcs $@ $^

$(B)/ceremony: $(call obj,ceremony/main.c) $(B)/libui.a $(B)/libceremony.a
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS_ALL) $(LINKHARD) $< -Wl,--start-group $(B)/libui.a $(B)/libceremony.a -Wl,--end-group -o $@ $(LD_CEREMONY)
$(B)/ceremony-media: $(call obj,media/main.c) $(B)/libmedia.a
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS_ALL) $(LINKHARD) $^ -o $@ $(LD_MEDIA)

$(B)/tests/unit/media-%: $(B)/obj/tests/unit/media-%.o $(B)/libmedia.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS_ALL) $(LINKHARD) $^ -o $@ $(LD_MEDIA)
$(B)/tests/unit/ui-%: $(B)/obj/tests/unit/ui-%.o $(B)/libui.a $(B)/libceremony.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS_ALL) $(LINKHARD) $^ $(B)/libceremony.a -o $@ $(LD_CEREMONY)
$(B)/tests/unit/test-%: $(B)/obj/tests/unit/test-%.o $(B)/libceremony.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS_ALL) $(LINKHARD) $^ -o $@ $(LD_CEREMONY)
$(B)/tests/attacks/%: $(B)/obj/tests/attacks/%.o $(B)/libceremony.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS_ALL) $(LINKHARD) $^ -o $@ $(LD_CEREMONY)
# A harness of tests/fuzz is a test of its own (standalone.c mutates its seeds), or libFuzzer's.
$(B)/tests/fuzz/%: $(B)/obj/tests/fuzz/%.o $(if $(FUZZ),,$(B)/obj/tests/fuzz/standalone.o) $(B)/libceremony.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS_ALL) $(if $(FUZZ),-fsanitize=fuzzer) $(LINKHARD) $^ -o $@ $(LD_CEREMONY)
$(B)/tests/unit/test-token $(B)/tests/unit/test-signer $(B)/tests/unit/test-run-faults $(B)/tests/unit/test-run-sweep $(B)/tests/unit/test-run-tokens: | $(B)/tests/lib/wrap-pkcs11.so
# Preload libraries and wrapper PKCS#11 modules for tests.
$(B)/tests/lib/%.so: tests/lib/%.c
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CF_CEREMONY) -std=gnu17 -O2 -g $(WARN) -fPIC -shared $< -o $@ -ldl

deps:
	@.ci/deps

# One command on a fresh machine: install what is missing, build, hold a whole ceremony, verify it.
demo: deps
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@BUILD=$(B) tests/e2e/demo.sh

check: deps
	@$(MAKE) --no-print-directory check-built
.PHONY: check-built
check-built:
	@$(MAKE) --no-print-directory -j$$(nproc) tests
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=1 tests
	@tests/run-all

$(B)/tests/bench/%: $(B)/obj/tests/bench/%.o $(B)/libceremony.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS_ALL) $(LINKHARD) $^ -o $@ $(LD_CEREMONY)

$(B)/obj/tests/bench/media-%.o: tests/bench/media-%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CF_MEDIA) $(CFLAGS_ALL) -c $< -o $@
$(B)/tests/bench/media-%: $(B)/obj/tests/bench/media-%.o $(B)/libmedia.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS_ALL) $(LINKHARD) $^ -o $@ $(LD_MEDIA)

bench: all $(B)/tests/bench/journal $(B)/tests/bench/media-video
	@BUILD=$(B) tests/bench/run.sh

unit: $(UNIT_BIN)
	@BUILD=$(B) prove --exec tests/run-one -j2 $(UNIT_BIN)

# Each harness for FUZZ_SECONDS; what it finds to be new is kept in build-fuzz/corpus, what makes it fail in build-fuzz/NAME-….
FUZZ_SECONDS ?= 60
fuzz:
	@command -v clang >/dev/null || { echo "make fuzz needs clang and its libFuzzer: apt-get install clang" >&2; exit 1; }
	@$(MAKE) --no-print-directory FUZZ=1 CC=clang CFLAGS="-Wno-error -Wno-unused-variable -Wno-format-nonliteral" fuzzers
	@set -e; for f in build-fuzz/tests/fuzz/fuzz-*; do case $$f in *.d) continue;; esac; n=$${f##*/fuzz-}; echo "== $$n"; mkdir -p build-fuzz/corpus/$$n; \
	  ASAN_OPTIONS=detect_leaks=0 $$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -max_len=131072 -print_final_stats=0 -verbosity=0 \
	    -artifact_prefix=build-fuzz/$$n- build-fuzz/corpus/$$n $$(ls -d tests/fuzz/seeds/$$n 2>/dev/null); done
.PHONY: fuzzers
fuzzers: $(FUZZ_BIN)

clean:
	rm -rf build build-san build-fuzz

install: all
	install -D -m 755 $(B)/ceremony $(DESTDIR)$(PREFIX)/bin/ceremony
	install -D -m 755 $(B)/ceremony-media $(DESTDIR)$(PREFIX)/libexec/ceremony/ceremony-media
	@for f in scripts/*.yaml; do install -D -m 644 $$f $(DESTDIR)$(PREFIX)/share/ceremony/$$f; done
	@for f in docs/man/*.[0-9]; do [ -e $$f ] || continue; install -D -m 644 $$f $(DESTDIR)$(PREFIX)/share/man/man$${f##*.}/$${f##*/}; done

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
