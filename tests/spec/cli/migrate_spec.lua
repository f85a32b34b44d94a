-- statute migrate: what a store's schema is, and bringing it up to date, as an operator meets it.
local http     = require "tests.support.http"
local json     = require "tests.support.json"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local FIRST = "INSERT INTO schema_version (version, applied_us) VALUES (1, 1763000000000000);"

describe("statute migrate", function()
  local directory, store, statute

  local function sql(text)
    local path = store:match("^sqlite:(.*)")
    local command = path and { "sqlite3", path } or { "psql", "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", store }
    local status, printed, complained = server.run(command, text)
    assert.equal(0, status, complained)
    return printed
  end

  -- A store as version 1 of the schema made it.
  local function make_first()
    local kind = store:match("^sqlite:") and "sqlite" or "postgres"
    sql(policies.read_file("engine/store/schema/" .. kind .. "_001.sql") .. FIRST)
  end

  local function migrate(...) return server.statute { "migrate", table.unpack { ... } } end

  local function look()
    local status, printed = migrate("status", "--format", "json", "--store", store)
    return status, json.decode(printed)
  end

  before_each(function()
    directory = policies.temporary()
    store = server.new_store(directory)
  end)

  after_each(function()
    if statute then statute:stop(true) end
    statute = nil
    server.drop_store(store)
    policies.remove(directory)
  end)

  it("says what an old store has, and what is pending, and exits with 1", function()
    make_first()
    local status, printed = migrate("status", "--store", store)
    assert.equal(1, status)
    assert.truthy(printed:find("1 +applied +2025%-11%-13T02:13:20Z"), printed)
    assert.truthy(printed:find("2 +pending"), printed)
    local _, found = look()
    assert.equal(1, found.schema)
    assert.equal(found.program - 1, found.pending)
    assert.is_true(found.usable)
    assert.equal("2025-11-13T02:13:20Z", found.items[1].applied_at)
  end)

  it("brings an old store up to date, once, and says so", function()
    make_first()
    local status, printed = migrate("up", "--store", store)
    assert.equal(0, status)
    assert.truthy(printed:find("applied 2\n", 1, true), printed)
    status, printed = migrate("up", "--store", store)
    assert.equal(0, status)
    assert.truthy(printed:find("nothing to do", 1, true), printed)
    local found
    status, found = look()
    assert.equal(0, status)
    assert.equal(0, found.pending)
    assert.equal(found.program, found.schema)
  end)

  it("lists what it applied as JSON", function()
    local status, printed = migrate("up", "--format", "json", "--store", store)
    local done = json.decode(printed)
    assert.equal(0, status)
    assert.equal(done.program, #done.applied)
    assert.equal(0, done.pending)
    assert.equal(#done.items, done.schema)
  end)

  it("makes no file for a look, and exits with 3 when there is no store", function()
    local nowhere = store:match("^sqlite:") and "sqlite:" .. directory .. "/none.db" or "postgresql://127.0.0.1:1/none"
    local status, _, complained = migrate("status", "--store", nowhere)
    assert.equal(3, status)
    assert.truthy(#complained > 0)
    assert.is_nil(io.open(directory .. "/none.db"))
  end)

  it("has nothing to do beside a server that is up to date", function()
    statute = server.start { directory = directory, store = store }
    local status, printed, complained = migrate("up", "--store", store)
    assert.equal(0, status, complained)
    assert.truthy(printed:find("nothing to do", 1, true), printed)
  end)

  it("lets a program use a newer schema that allows it", function()
    migrate("up", "--store", store)
    sql("INSERT INTO schema_version VALUES (60, 1, 2); ALTER TABLE entity ADD COLUMN unheard_of TEXT;")
    statute = server.start { directory = directory, store = store }
    statute:create("task", "t-1", { assigned_to = "u1" })
    http.expect(statute:read("task", "t-1"), 200)
    local status, found = look()
    assert.equal(0, status)
    assert.equal(60, found.schema)
    assert.equal("newer", found.items[#found.items].state)
  end)

  it("refuses a newer schema that does not, and says what to do", function()
    migrate("up", "--store", store)
    sql("INSERT INTO schema_version VALUES (60, 1, 59);")
    local attempts = {
      { "migrate", "status", "--store", store }, { "migrate", "up", "--store", store },
      { "serve", "--listen", "127.0.0.1:0", "--auth", "none", "--store", store },
      { "audit", "list", "--store", store },
    }
    for _, arguments in ipairs(attempts) do
      local status, _, complained = server.statute(arguments)
      assert.equal(3, status, complained)
      assert.truthy(complained:find("has schema 60, newer than the %d+ that this program knows"), complained)
      assert.truthy(complained:find("wants a program that knows schema 59", 1, true), complained)
    end
    local _, found = look()
    assert.is_false(found.usable)
  end)

  describe("on PostgreSQL", function()
    local kind = server.store_kind
    setup(function() server.store_kind = "postgresql" end)
    teardown(function() server.store_kind = kind end)

    it("applies each version once when two programs migrate at the same time", function()
      make_first()
      local program = server.quote(server.program)
      local both = ("for i in 1 2 3 4; do %s migrate up --store %s & done; wait"):format(program, server.quote(store))
      local status, printed, complained = server.run { "sh", "-c", both }
      assert.equal(0, status)
      assert.equal("", complained)
      local _, count = printed:gsub("applied 2\n", "")
      assert.equal(1, count, printed)
      local code, found = look()
      assert.equal(0, code)
      assert.equal(0, found.pending)
    end)

    it("migrates beside a server that goes on with the older schema's tables", function()
      statute = server.start { directory = directory, store = store }
      statute:create("task", "t-1", { assigned_to = "u1" })
      sql("DELETE FROM schema_version WHERE version > 1; ALTER TABLE schema_version DROP COLUMN oldest_program;")
      assert.equal(0, (migrate("up", "--store", store)))
      http.expect(statute:read("task", "t-1"), 200)
      statute:create("task", "t-2", { assigned_to = "u1" })
    end)
  end)
end)
