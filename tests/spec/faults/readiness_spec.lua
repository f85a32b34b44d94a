-- Readiness tries what the job needs: a write.
local eventually = require "tests.support.eventually"
local http       = require "tests.support.http"
local policies   = require "tests.support.policies"
local postgres   = require "tests.support.postgres"
local redis      = require "tests.support.redis"
local server     = require "tests.support.server"

local DOOR = [[return machine "door" { initial = "SHUT", states = { SHUT = { to = { OPEN = true } }, OPEN = { to = { SHUT = true } } } }]]

describe("a SQLite store whose file", function()
  local statute, directory

  before_each(function()
    directory = policies.temporary()
    statute = server.start { policies = { ["door.lua"] = DOOR }, store = "sqlite:" .. directory .. "/x.db" }
    statute:create("door", "d1", {})
  end)
  after_each(function()
    statute:stop()
    policies.remove(directory)
  end)

  local function refuses()
    local answer = statute.client:post("/v1/entities/door", { id = "d2" })
    local problem = http.expect(answer, 503, "store_unavailable")
    assert.truthy(problem.detail:find("deleted or replaced", 1, true), problem.detail)
    http.expect(statute:move("door", "d1", "OPEN"), 503, "store_unavailable")
    http.expect(statute:read("door", "d1"), 503, "store_unavailable")
    assert.equal("down", http.expect(statute.client:get "/readyz", 503).store)
  end

  it("is deleted answers nothing any more, and is not ready", function()
    os.remove(directory .. "/x.db")
    refuses()
  end)

  it("is replaced likewise, until it is put back", function()
    os.execute(("mv %s/x.db %s/away && cp %s/away %s/x.db"):format(directory, directory, directory, directory))
    refuses()
    os.execute(("mv %s/away %s/x.db"):format(directory, directory))
    http.expect(statute:move("door", "d1", "OPEN"), 200)
    http.expect(statute.client:get "/readyz", 200)
  end)

  it("has lost its write-ahead log likewise", function()
    os.remove(directory .. "/x.db-wal")
    refuses()
  end)
end)

describe("what is wrong with a store", function()
  local statute, directory, keys
  setup(function()
    directory, keys = policies.temporary(), {}
    local store = "sqlite:" .. directory .. "/x.db"
    for name, scopes in pairs { app = "read,transition", operator = "read,transition,admin" } do
      local status, out, err = server.statute { "token", "create", "--store", store, "--name", name, "--scopes", scopes }
      assert(status == 0, err)
      keys[name] = { Authorization = "Bearer " .. assert(out:match("st_%w+_%w+"), out), ["X-Request-Id"] = name .. "-1" }
    end
    statute = server.start { policies = { ["door.lua"] = DOOR }, auth = "keys", store = store }
    http.expect(statute.client:post("/v1/entities/door", { id = "d1" }, keys.app), 201)
    os.remove(directory .. "/x.db")
  end)
  teardown(function()
    statute:stop()
    policies.remove(directory)
  end)

  it("is for operators: callers get what to do and where to look", function()
    local calls = {
      function(key) return statute.client:post("/v1/entities/door", { id = "d2" }, key) end,
      function(key) return statute.client:get("/v1/entities/door/d1", key) end,
      function() return statute.client:get "/readyz" end,
    }
    for _, call in ipairs(calls) do
      local answer = call(keys.app)
      local problem = http.expect(answer, 503, "store_unavailable")
      assert.match("try again later", problem.detail)
      assert.match("log", problem.detail)
      assert.is_nil(answer.body:find(directory, 1, true), answer.body)
    end
    assert.truthy(http.expect(calls[1](keys.operator), 503, "store_unavailable").detail:find(directory, 1, true))
    eventually(function() return statute:log():find "request_failed: .*x%.db was deleted .*store_unavailable, request app%-1" end, 5, "the log's line")
  end)
end)

describe("a PostgreSQL store that", function()
  local database, statute

  setup(function()
    database = postgres.start "-c fsync=off"
    database:say "CREATE ROLE app LOGIN"
  end)
  teardown(function() database:stop() end)
  before_each(function()
    database:say "CREATE DATABASE ready OWNER app"
    statute = server.start { policies = { ["door.lua"] = DOOR }, store = (database.url:gsub("//.-@", "//app@"):gsub("/[^/]*$", "/ready")) }
    statute:create("door", "d1", {})
    http.expect(statute.client:get "/readyz", 200)
  end)
  after_each(function()
    statute:stop()
    database:say "DROP DATABASE ready WITH (FORCE)"
  end)

  local function reconnect() database:say "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ready'" end

  local function refuses(what)
    eventually(function() return statute.client:get("/readyz").status == 503 end, 10, what)
    local answer = http.expect(statute.client:get "/readyz", 503, "store_unavailable")
    assert.equal("down", answer.store)
    http.expect(statute.client:get "/livez", 200)
    return answer
  end

  local function accepts(what)
    eventually(function() return statute.client:get("/readyz").status == 200 end, 10, what)
    http.expect(statute:move("door", "d1", http.expect(statute:read("door", "d1"), 200).state == "SHUT" and "OPEN" or "SHUT"), 200)
  end

  it("takes no writes is not ready", function()
    database:say "ALTER DATABASE ready SET default_transaction_read_only = on"
    reconnect()
    refuses "read-only"
    http.expect(statute:move("door", "d1", "OPEN"), 503, "store_unavailable")
    database:say "ALTER DATABASE ready SET default_transaction_read_only = off"
    reconnect()
    accepts "writable again"
  end)

  it("may be read but not written is not ready: a write is tried, not a ping", function()
    local function as_owner(words) database:say_to("ready", words) end
    for right, table_name in pairs { UPDATE = "entity", INSERT = "deadline" } do
      as_owner(("REVOKE %s ON %s FROM app"):format(right, table_name))
      local refused = refuses("without " .. right)
      assert.truthy(refused.detail:find("permission denied for table " .. table_name, 1, true), refused.detail)
      http.expect(statute:read("door", "d1"), 200)
      http.expect(statute.client:get "/livez", 200)
      as_owner(("GRANT %s ON %s TO app"):format(right, table_name))
      accepts("with " .. right)
    end
  end)

  it("is gone is not ready, until it is back", function()
    database:kill()
    refuses "gone"
    database:launch()
    accepts "back"
  end)
end)

describe("a lock in Redis that", function()
  local lock, statute

  before_each(function()
    lock = redis.start()
    statute = server.start { policies = { ["door.lua"] = DOOR }, lock = lock.url }
    statute:create("door", "d1", {})
  end)
  after_each(function()
    statute:stop()
    lock:stop()
  end)

  local function refuses(what)
    eventually(function() return statute.client:get("/readyz").status == 503 end, 10, what)
    assert.equal("down", http.expect(statute.client:get "/readyz", 503, "lock_unavailable").lock)
  end

  local function accepts(what)
    eventually(function() return statute.client:get("/readyz").status == 200 end, 10, what)
    http.expect(statute:move("door", "d1", http.expect(statute:read("door", "d1"), 200).state == "SHUT" and "OPEN" or "SHUT"), 200)
  end

  it("is out of memory is not ready", function()
    lock:say "CONFIG SET maxmemory 1"
    refuses "out of memory"
    lock:say "CONFIG SET maxmemory 0"
    accepts "memory again"
  end)

  it("is read-only is not ready", function()
    lock:say "REPLICAOF 127.0.0.1 1"
    refuses "a replica"
    lock:say "REPLICAOF NO ONE"
    accepts "a master again"
  end)

  it("may not be written is not ready", function()
    lock:say "ACL SETUSER default -set"
    refuses "without the right to write"
    lock:say "ACL SETUSER default +set"
    accepts "with it"
    assert.equal("$-1", lock:say "GET state_transition:statute:readyz")
  end)
end)
