-- What clients saw while PostgreSQL failed, held against what is there afterwards: nothing lost, nothing twice, and every
-- node goes on by itself.
local history  = require "tests.support.history"
local http     = require "tests.support.http"
local postgres = require "tests.support.postgres"
local server   = require "tests.support.server"

local POLICIES = { ["walk.lua"] = history.WALK }
local NODES = 2

describe("PostgreSQL under load", function()
  local database, statute

  after_each(function()
    if statute then statute:stop() end
    if database then database:stop() end
    statute, database = nil, nil
  end)

  local function start(options)
    database = postgres.start(options)
    statute = server.start { policies = POLICIES, store = database.url, nodes = NODES }
  end

  local function prove(name, meanwhile)
    local calls = history.run { nodes = statute.nodes, clients = 16, next = history.walks(10), meanwhile = meanwhile, patience = 40 }
    local figures = history.prove(name, statute, calls)
    local status, out, err = server.statute { "audit", "verify", "--store", database.url }
    assert.equal(0, status, out .. err)
    assert.is_true(figures.done > 20)
    return figures
  end

  it("may be killed and started again, three times", function()
    start()
    prove("PostgreSQL killed", function(pause)
      for _ = 1, 3 do
        pause(0.4)
        database:kill()
        pause(0.3)
        database:launch()
      end
    end)
  end)

  it("may lose single connections at any moment", function()
    start()
    prove("connections cut", function(pause)
      for _ = 1, 15 do
        pause(0.08)
        database:say "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
      end
    end)
  end)

  it("may be read-only for a while", function()
    start()
    local refused
    prove("read-only", function(pause)
      pause(0.3)
      database:say "ALTER SYSTEM SET default_transaction_read_only = on"
      database:say "SELECT pg_reload_conf()"
      database:say "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
      pause(0.5)
      refused = statute.client:post("/v1/entities/walk", { id = "while-read-only" })
      database:say "ALTER SYSTEM RESET default_transaction_read_only"
      database:say "SELECT pg_reload_conf()"
    end)
    assert.is_true(refused.status == 201 or refused.status == 503, tostring(refused.status))
  end)

  it("may have no connection left", function()
    start "-c max_connections=24"
    local status = 0
    prove("out of connections", function(pause)
      pause(0.2)
      local hold = {}
      for i = 1, 30 do
        hold[i] = io.popen(("psql --no-psqlrc --quiet --command 'SELECT pg_sleep(1)' %s >/dev/null 2>&1"):format(database.url))
      end
      database:kill()
      database:launch()
      pause(0.5)
      status = statute.client:get("/readyz").status
      for _, pipe in ipairs(hold) do pipe:close() end
    end)
    assert.is_true(status == 200 or status == 503)
  end)

  it("may be stopped for longer than anybody waits, and every answer meanwhile is a 503 that says so", function()
    start()
    http.expect(statute.client:post("/v1/entities/walk", { id = "before" }), 201)
    database:kill()
    local answer = statute:move("walk", "before", "B")
    http.expect(answer, 503, "store_unavailable")
    assert.equal("not_executed", answer.json.outcome)
    assert.equal(503, statute.client:get("/readyz").status)
    assert.equal(200, statute.client:get("/livez").status)
    database:launch()
    prove("stopped", function(pause) pause(0.3) end)
    http.expect(statute:move("walk", "before", "B"), 200)
    assert.equal(2, #statute:history("walk", "before"))
  end)
end)
