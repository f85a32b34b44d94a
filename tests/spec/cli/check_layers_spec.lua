-- scripts/check-layers against a copy of the engine with one planted violation at a time.
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

describe("check-layers", function()
  local copy

  setup(function()
    copy = policies.temporary()
    assert(os.execute(("cp -r engine %s/engine"):format(copy)))
  end)
  teardown(function() policies.remove(copy) end)

  local function check() return server.run { "scripts/check-layers", copy } end

  -- Plants `lines` as a new file, checks, and takes it away again.
  local function plant(path, lines)
    local file = copy .. "/engine/" .. path
    policies.write_file(file, table.concat(lines, "\n") .. "\n")
    local status, printed = check()
    os.remove(file)
    return status, printed
  end

  -- `violations`: a list of { path, include line, part of the reason, line number (3) }.
  local function finds(violations)
    for _, case in ipairs(violations) do
      local path, include, reason, line = table.unpack(case)
      local status, printed = plant(path, { "/* planted */", "", include, "int planted;" })
      local expected = ("engine/%s:%d: "):format(path, line or 3)
      assert.equal(1, status, include .. "\n" .. printed)
      assert.truthy(printed:find(expected, 1, true), ("%s is not in\n%s"):format(expected, printed))
      assert.truthy(printed:find(reason, 1, true), ("%s is not in\n%s"):format(reason, printed))
      assert.equal(1, select(2, printed:gsub("\n", "\n")), "one violation, one line:\n" .. printed)
    end
  end

  -- The lines are not flagged.
  local function accepts(path, lines)
    local status, printed = plant(path, lines)
    assert.equal(0, status, printed)
  end

  it("finds nothing in the engine as it is", function()
    local status, printed = check()
    assert.equal(0, status, printed)
  end)

  it("finds what includes a layer below it", function()
    finds {
      { "base/planted.c", '#include "timezone/zone.h"', "base may not include timezone/zone.h" },
      { "base/planted.h", '#include "model/entity.h"', "base may not include model/entity.h" },
      { "timezone/planted.c", '#include "model/entity.h"', "timezone may not include model/entity.h" },
      { "http/planted.c", '#include "identity/auth.h"', "http may not include identity/auth.h" },
      { "lua/planted.c", '#include "policy/policy.h"', "lua may not include policy/policy.h" },
      { "model/planted.c", '#include "store/store.h"', "model may not include store/store.h" },
      { "store/planted.c", '#include "lock/lock.h"', "store may not include lock/lock.h" },
      { "store/sqlite/planted.c", '#include "core/batch.h"', "store/sqlite may not include core/batch.h" },
      { "privacy/planted.c", '#include "policy/rules/roles.h"', "privacy may not include policy/rules/roles.h" },
      { "policy/rules/planted.c", '#include "policy/declare/declare.h"', "policy/rules may not include policy/declare/declare.h" },
      { "policy/declare/planted.c", '#include "policy/generation.h"', "policy/declare may not include policy/generation.h" },
      { "policy/planted.c", '#include "core/batch.h"', "policy may not include core/batch.h" },
      { "identity/planted.c", '#include "server/worker.h"', "identity may not include server/worker.h" },
      { "core/planted.c", '#include "server/worker.h"', "core may not include server/worker.h" },
      { "server/planted.c", '#include "api/route.h"', "server may not include api/route.h" },
      { "api/planted.c", '#include "cli/cli.h"', "api may not include cli/cli.h" },
    }
  end)

  it("keeps siblings apart, both ways", function()
    finds {
      { "timezone/planted.c", '#include "http/http.h"', "timezone and http are siblings" },
      { "http/planted.c", '#include "timezone/zone.h"', "http and timezone are siblings" },
      { "lua/planted.c", '#include "model/entity.h"', "lua and model are siblings" },
      { "model/planted.c", '#include "lua/vm.h"', "model and lua are siblings" },
      { "lock/planted.c", '#include "privacy/pii.h"', "lock and privacy are siblings" },
      { "privacy/planted.c", '#include "lock/lock.h"', "privacy and lock are siblings" },
      { "graph/planted.c", '#include "core/batch.h"', "graph and core are siblings" },
      { "core/planted.c", '#include "graph/graph.h"', "core and graph are siblings" },
    }
  end)

  it("keeps what decides from what stores, locks and listens", function()
    finds {
      { "policy/planted.c", '#include "store/store.h"', "policy is kept apart from store" },
      { "policy/planted.c", '#include "lock/lock.h"', "policy is kept apart from lock" },
      { "policy/declare/planted.c", '#include "store/store.h"', "policy/declare is kept apart from store" },
      { "policy/rules/planted.c", '#include "http/http.h"', "policy/rules is kept apart from http" },
      { "lua/planted.c", '#include "http/http.h"', "lua is kept apart from http" },
      { "privacy/planted.c", '#include "store/store.h"', "privacy is kept apart from store" },
      { "graph/planted.c", '#include "store/store.h"', "graph is kept apart from store" },
      { "core/planted.c", '#include "lua/vm.h"', "core is kept apart from lua" },
      { "core/planted.c", '#include "http/http.h"', "core is kept apart from http" },
    }
  end)

  it("keeps private rooms private", function()
    finds {
      { "store/planted.c", '#include "store/sqlite/driver.h"', "store/sqlite is private" },
      { "core/planted.c", '#include "store/postgres/driver.h"', "store/postgres is private" },
      { "store/postgres/planted.c", '#include "store/sqlite/driver.h"', "store/sqlite is private" },
      { "api/planted.c", '#include "api/authzen/access.h"', "api/authzen is private" },
      { "cli/planted.c", '#include "api/authzen/access.h"', "api/authzen is private" },
    }
  end)

  it("finds a third-party header outside of its room", function()
    finds {
      { "core/planted.c", "#include <sqlite3.h>", "only store/sqlite store/sqlite/sql may" },
      { "store/planted.c", "#include <sqlite3.h>", "only store/sqlite store/sqlite/sql may" },
      { "store/planted.c", '#include "store/sqlite/sql/sql.h"', "only store/sqlite may" },
      { "server/planted.c", '#include "store/sqlite/sql/sql.h"', "only store/sqlite may" },
      { "store/sqlite/sql/planted.c", '#include "store/store.h"', "are siblings" },
      { "store/sqlite/sql/planted.c", '#include "store/sqlite/driver.h"', "store/sqlite is private" },
      { "store/sqlite/planted.c", "#include <libpq-fe.h>", "only store/postgres may" },
      { "base/planted.c", "#include <jansson.h>", "has no owner" },
      { "server/planted.c", "#include <openssl/sha.h>", "only base may" },
      { "identity/planted.c", "#include <openssl/ssl.h>", "only http may" },
      { "store/planted.c", "#include <hiredis/hiredis.h>", "only lock may" },
      { "core/planted.c", "#include <lua.h>", "only lua policy policy/declare may" },
      { "policy/rules/planted.c", '#include "lauxlib.h"', "only lua policy policy/declare may" },
      { "server/planted.c", "#include <event2/http.h>", "only http may" },
      { "http/planted.c", "#include <jwt.h>", "only identity may" },
      { "planted.c", "#include <event2/event.h>", "only http may" },
      { "cli/planted.c", "#include <curl/curl.h>", "has no owner" },
    }
  end)

  it("finds an include however it is written", function()
    finds {
      { "base/planted.c", '  #  include   "store/store.h" /* why not */', "base may not include store/store.h" },
      { "base/planted.c", '/* one */ #include "store/store.h"', "base may not include store/store.h" },
      { "base/planted.c", '%:include "store/store.h"', "base may not include store/store.h" },
      { "base/planted.c", '#include/**/"store/store.h"', "base may not include store/store.h" },
      { "base/planted.c", '#incl\\\nude "store/store.h"', "base may not include store/store.h" },
      { "base/planted.c", '#include "../store/store.h"', "folder/file" },
      { "base/planted.c", '#include "base/../store/store.h"', "without dots" },
      { "base/planted.c", "#include <base/text.h>", "quotes" },
      { "base/planted.c", '#include "text.h"', "folder/file" },
      { "base/planted.c", "#include HEADER", "cannot be checked" },
      { "base/planted.c", 'const char *a = "/*"; char b = \'"\';\n#include "store/store.h"', "base may not", 4 },
    }
  end)

  it("finds every violation of a file", function()
    local status, printed = plant("base/planted.c", { '#include "store/store.h"', "", "#include <lua.h>" })
    assert.equal(1, status)
    assert.truthy(printed:find("engine/base/planted.c:1: ", 1, true))
    assert.truthy(printed:find("engine/base/planted.c:3: ", 1, true))
  end)

  it("finds a folder that is no layer", function()
    local status, printed = plant("extra/planted.c", { "int planted;" })
    os.remove(copy .. "/engine/extra")
    assert.equal(1, status)
    assert.truthy(printed:find("engine/extra/planted.c:1: folder extra is no layer", 1, true))
  end)

  it("leaves comments and strings alone", function()
    accepts("base/planted.c", {
      '// #include "store/store.h"', "/*", '#include "store/store.h"', "*/", 'const char *text = "\\', '#include <lua.h>";',
      "int it; /* isn't */ // and \"that",
    })
  end)

  it("lets a layer use itself, those above it, and the system", function()
    accepts("server/planted.c", {
      '#include "server/worker.h"', '#include "policy/policy.h"', '#include "lock/lock.h"', '#include "base/text.h"',
      "#include <sys/inotify.h>", "#include <stdio.h>",
    })
    accepts("policy/planted.c", { '#include "policy/rules/machine.h"', "#include <lua.h>" })
  end)

  it("says so when there is nothing to check", function()
    local status = server.run { "scripts/check-layers", copy .. "/engine/base" }
    assert.equal(2, status)
  end)
end)
