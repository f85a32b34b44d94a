local http   = require "tests.support.http"
local server = require "tests.support.server"

local JOB = [[
return machine "job" {
  initial = "ON", fields = { hours = "integer", turns = "integer" },
  table = { name = "job", id = "id", state = "status", fields = { hours = "hours", turns = "turns" } },
  states = { ON = { to = { OFF = { effect = function(job) return { set = { turns = job.turns + 1 } } end } } },
             OFF = { to = { ON = { effect = function(job) return { set = { turns = job.turns + 1 } } end } } } },
}
]]

-- The application adds to one column, the engine to the other, both at once and all the time. Whoever wrote over what
-- he had not seen would lose one of the additions.
describe("a race between the engine and its database's owner", function()
  local UPDATES, MOVES = 150, 150

  it("loses neither's writes, and records what the owner did", function()
    local statute = server.start { policies = { ["x.lua"] = 'return machine "x" { initial = "A", states = { A = {} } }' } }
    finally(function() statute:stop() end)
    server.sql(statute.store, "CREATE TABLE job (id integer PRIMARY KEY, status text, hours integer, turns integer)")
    server.sql(statute.store, "INSERT INTO job VALUES (1, 'ON', 0, 0)")
    statute:write_policy("job.lua", JOB)
    http.expect(statute.client:post("/v1/policies/reload"), 200)

    local owner = server.sql_beside(statute.store, ("UPDATE job SET hours = hours + 1 WHERE id = 1;\n"):rep(UPDATES))
    local requests = {}
    for i = 1, MOVES do
      requests[i] = { method = "POST", path = "/v1/entities/job/1/transitions", body = { to = i % 2 == 0 and "ON" or "OFF" } }
    end
    local moved = 0
    for _, answer in ipairs(http.parallel({ statute.port }, requests, 4)) do
      if answer.status == 200 then moved = moved + 1 else http.expect(answer, 409, "invalid_transition") end
    end
    owner()
    statute:move("job", "1", "ON")
    statute:move("job", "1", "OFF")

    local turns, notices, last = 0, 0, nil
    for _, record in ipairs(statute:history("job", "1")) do
      if record.success and record.action == "transition" then turns = turns + 1 end
      if record.action == "notice" then notices, last = notices + 1, record end
    end
    assert.same({ ("%d|%d"):format(UPDATES, turns) }, server.sql(statute.store, "SELECT hours, turns FROM job"))
    assert.is_true(moved > 0 and turns >= moved)
    assert.is_true(notices >= 1 and notices <= UPDATES + 1)
    assert.equal(UPDATES, last.patch.hours)
  end)
end)
