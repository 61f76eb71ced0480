# twinset: builds with PGXS; PG_CONFIG names the server (default: the one on the path).
#
#   make                the module and the extension's script
#   make install        into the server that PG_CONFIG names
#   make installcheck   the regression suite against a running server (./check runs all suites on one of its own)
#   make break-rules    takes out one rule of docs/concurrency.md at a time and sees the tests fail that guard it
#   make bench          the benchmark, on a server of its own; SCALE=small, medium (the default) or full

EXTENSION = twinset
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" twinset.control)

MODULE_big = twinset
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))

# The order matters: a part uses only what stands in parts before it.
SQL_PARTS = $(addprefix sql/, \
	encoding.sql condition.sql manifest.sql manifest_difference.sql rules.sql tables.sql settled.sql \
	triggers.sql history.sql winners.sql views.sql functions.sql preview.sql explain.sql advice.sql \
	device.sql verify.sql reconciliation.sql undo.sql parts.sql)

DATA_built = twinset--$(EXTVERSION).sql
# those of earlier versions and the ways from them to this one
DATA = $(wildcard releases/twinset--*.sql)
EXTRA_CLEAN = twinset--*.sql test/results

PG_CPPFLAGS = -std=gnu99
# a function of the server's calling convention need not use its argument
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter
SHLIB_LINK = -ljansson

REGRESS = $(sort $(notdir $(basename $(wildcard test/sql/*.sql))))
REGRESS_OPTS = --inputdir=test --outputdir=test --load-extension=twinset

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
# no bitcode: the module is never inlined into a query
override with_llvm = no
include $(PGXS)

$(OBJS): $(wildcard src/*.h)

twinset--$(EXTVERSION).sql: $(SQL_PARTS) Makefile twinset.control
	cat $(SQL_PARTS) > $@

SCALE ?= medium
.PHONY: bench
bench:
	bench/run --scale $(SCALE)

.PHONY: break-rules
break-rules:
	test/race/rules
