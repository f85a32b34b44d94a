-- What a decision counted or found still holds when it commits, on every store, with any number of workers and nodes.
local http       = require "tests.support.http"
local server     = require "tests.support.server"

-- At most two beds of a ward are occupied. `strict` is the same under an isolation of its own.
local BED = [[
local function room(name)
  return function(bed, ctx)
    local others = ctx:count { machine = name, state = "OCCUPIED", where = { ward = bed.ward } }
    return others < 2, "The ward is full"
  end
end
local function beds(name, isolation)
  return machine(name) {
    initial = "FREE", isolation = isolation,
    states = { FREE = { to = { OCCUPIED = { guard = room(name) } } }, OCCUPIED = { to = { FREE = true } } },
  }
end
return { beds "bed", beds("frozen_bed", "repeatable read"), beds("strict_bed", "serializable") }
]]

-- Who moves also counts what its sibling's machine is about to write: two limits that look at each other.
local CROSS = [[
local function none_of(machine)
  return function(_, ctx) return ctx:count { machine = machine, state = "ON" } == 0, "The other is on" end
end
local function switch(name, other)
  return machine(name) { initial = "OFF", states = { OFF = { to = { ON = { guard = none_of(other) } } }, ON = { to = { OFF = true } } } }
end
return { switch("left", "right"), switch("right", "left") }
]]

-- Siblings look at each other: only one of a pair may be awake.
local TWIN = [[
local function sleeps(other) return function(twin, ctx)
  local found = ctx:find("twin", other(ctx.id))
  return found == nil or found.state == "ASLEEP", "The other is awake"
end end
local function sibling(id) return id:sub(1, -2) .. (id:sub(-1) == "a" and "b" or "a") end
return machine "twin" {
  initial = "ASLEEP",
  states = { ASLEEP = { to = { AWAKE = { guard = sleeps(sibling) } } }, AWAKE = { to = { ASLEEP = true } } },
}
]]

-- A team follows its members, and its members follow it.
local TEAM = [[
return {
  machine "team" { initial = "IDLE", states = {
    IDLE = { to = { BUSY = { effect = function(team) return { follow = { { machine = "member", id = team.member, to = "BUSY" } } } end } } },
    BUSY = { to = { IDLE = true } } } },
  machine "member" { initial = "IDLE", states = {
    IDLE = { to = { BUSY = { effect = function(member) return { follow = { { machine = "team", id = member.team, to = "BUSY" } } } end } } },
    BUSY = { to = { IDLE = true } } } },
}
]]

local FILES = { ["bed.lua"] = BED, ["cross.lua"] = CROSS, ["twin.lua"] = TWIN, ["team.lua"] = TEAM }
local CLIENTS = 8

local function move(machine, id, to)
  return { method = "POST", path = ("/v1/entities/%s/%s/transitions"):format(machine, id), body = { to = to, actor = { id = "u" } } }
end

describe("a limit", function()
  local statute

  setup(function()
    statute = server.start { policies = FILES, nodes = server.nodes,
                             arguments = server.store_kind == "postgresql" and { "--workers", "4" } or nil }
  end)
  teardown(function() statute:stop() end)

  -- Sends all requests at once; answers by status, and those that were neither done nor refused by a rule.
  local function at_once(requests)
    local by_status = {}
    for _, answer in ipairs(http.parallel(statute.ports, requests, CLIENTS)) do
      by_status[answer.status] = by_status[answer.status] or {}
      table.insert(by_status[answer.status], answer)
    end
    return by_status
  end

  local function count(machine, state, field, value)
    local items = http.expect(statute.client:get(("/v1/entities/%s?state=%s&limit=1000"):format(machine, state)), 200).items
    local found = 0
    for _, item in ipairs(items) do found = found + (item.data[field] == value and 1 or 0) end
    return found
  end

  for _, machine in ipairs { "bed", "frozen_bed", "strict_bed" } do
    it(("that is counted holds: %s"):format(machine), function()
      for round = 1, 15 do
        local ward, requests = "w" .. round, {}
        for i = 1, CLIENTS do
          local id = ("%s-%d"):format(ward, i)
          statute:create(machine, id, { ward = ward })
          requests[i] = move(machine, id, "OCCUPIED")
        end
        local by_status = at_once(requests)
        assert.equal(2, #(by_status[200] or {}))
        assert.equal(CLIENTS - 2, #(by_status[422] or {}))
        assert.equal(2, count(machine, "OCCUPIED", "ward", ward))
      end
    end)
  end

  it("that two machines count in each other holds", function()
    for round = 1, 15 do
      statute:create("left", "l" .. round, {})
      statute:create("right", "r" .. round, {})
      local by_status = at_once { move("left", "l" .. round, "ON"), move("right", "r" .. round, "ON") }
      assert.equal(1, #(by_status[200] or {}))
      assert.equal(1, #(by_status[422] or {}))
      for _, answer in ipairs(by_status[200]) do
        http.expect(statute:move(answer.json.machine, answer.json.id, "OFF"), 200)
      end
    end
  end)

  it("of siblings that find each other holds, and nobody waits for a deadlock", function()
    local deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    local before = server.store_kind == "postgresql" and server.sql(statute.store, deadlocks)[1]
    local slowest = 0
    for round = 1, 50 do
      local requests = {}
      for pair = 1, CLIENTS / 2 do
        for _, twin in ipairs { "a", "b" } do
          local id = ("t%d-%d%s"):format(round, pair, twin)
          statute:create("twin", id, {})
          requests[#requests + 1] = move("twin", id, "AWAKE")
        end
      end
      local by_status = at_once(requests)
      assert.equal(CLIENTS / 2, #(by_status[200] or {}))
      assert.equal(CLIENTS / 2, #(by_status[422] or {}))
      for _, answer in ipairs(by_status[200]) do slowest = math.max(slowest, answer.json.timing.total_us) end
    end
    if before then
      server.sql(statute.store, "SELECT pg_stat_clear_snapshot()")
      assert.equal(before, server.sql(statute.store, deadlocks)[1])
    end
    assert.is_true(slowest < 900000 * server.patience, ("the slowest took %d us"):format(slowest))
  end)

  it("is no reason for those that follow each other to wait for a deadlock", function()
    local deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    local before = server.store_kind == "postgresql" and server.sql(statute.store, deadlocks)[1]
    for round = 1, 30 do
      local team, member = "team" .. round, "member" .. round
      statute:create("team", team, { member = member })
      statute:create("member", member, { team = team })
      local by_status = at_once { move("team", team, "BUSY"), move("member", member, "BUSY") }
      assert.equal(2, #(by_status[200] or {}) + #(by_status[409] or {}))
      assert.equal("BUSY", statute:read("team", team).json.state)
      assert.equal("BUSY", statute:read("member", member).json.state)
    end
    if before then assert.equal(before, server.sql(statute.store, deadlocks)[1]) end
  end)
end)
