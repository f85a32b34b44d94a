local chain  = require "tests.support.chain"
local http   = require "tests.support.http"
local server = require "tests.support.server"

local TICKET = [[
return machine "ticket" {
  initial = "OPEN",
  states = { OPEN = { to = { TAKEN = true } }, TAKEN = { to = { OPEN = true } } },
}
]]

-- A graph with a few ways, so that a history can be checked for being a legal path.
local WALK = [[
return machine "walk" {
  initial = "A",
  states = { A = { to = { B = true, C = true } }, B = { to = { C = true, D = true } }, C = { to = { A = true, D = true } },
             D = { to = { A = true } } },
}
]]
local WAYS = { A = "BC", B = "CD", C = "AD", D = "A" }

local COUNTER = [[
return machine "counter" {
  initial = "ON", fields = { n = "integer" },
  states = { ON = { to = { OFF = { effect = function(c) return { set = { n = (c.n or 0) + 1 } } end } } },
             OFF = { to = { ON = { effect = function(c) return { set = { n = (c.n or 0) + 1 } } end } } } },
}
]]

describe("a race", function()
  local statute

  setup(function()
    statute = server.start { policies = { ["ticket.lua"] = TICKET, ["walk.lua"] = WALK, ["counter.lua"] = COUNTER },
                             nodes = server.nodes }
  end)
  teardown(function() statute:stop() end)

  local function five_times(id, options)
    local requests = {}
    for i = 1, 5 do
      requests[i] = { method = "POST", path = "/v1/entities/ticket/" .. id .. "/transitions",
                      body = { to = "TAKEN", actor = { id = "client-" .. i }, options = options } }
    end
    return http.parallel(statute.ports, requests, 5)
  end

  it("of five for one ticket has one winner, 20 times over", function()
    for round = 1, 20 do
      local id = "t" .. round
      statute:create("ticket", id, {})
      local won, lost = 0, 0
      for _, answer in ipairs(five_times(id)) do
        if answer.status == 200 then
          won = won + 1
          assert.is_true(answer.json.changed)
        else
          http.expect(answer, 409, "invalid_transition")
          lost = lost + 1
        end
      end
      assert.equal(1, won)
      assert.equal(4, lost)
      assert.equal(2, statute:read("ticket", id).json.version)
      local records = statute:history("ticket", id)
      assert.equal(6, #records)
    end
  end)

  it("of five who do not mind has one change and five successes", function()
    for round = 1, 10 do
      local id = "i" .. round
      statute:create("ticket", id, {})
      local changed = 0
      for _, answer in ipairs(five_times(id, { idempotent = true })) do
        if http.expect(answer, 200).changed then changed = changed + 1 end
      end
      assert.equal(1, changed)
      assert.equal(2, statute:read("ticket", id).json.version)
    end
  end)

  it("of five without the lock still has one winner", function()
    for round = 1, 10 do
      local id = "u" .. round
      statute:create("ticket", id, {})
      local won = 0
      for _, answer in ipairs(five_times(id, { lock = false })) do won = won + (answer.status == 200 and 1 or 0) end
      assert.equal(1, won)
    end
  end)

  it("of five for one version has one winner", function()
    statute:create("ticket", "v", {})
    local won = 0
    for _, answer in ipairs(five_times("v", { if_version = 1 })) do
      if answer.status == 200 then won = won + 1 else http.expect(answer, 412, "version_conflict") end
    end
    assert.equal(1, won)
  end)

  it("to create one entity has one winner", function()
    local requests, won = {}, 0
    for i = 1, 20 do requests[i] = { method = "POST", path = "/v1/entities/ticket", body = { id = "only", data = { by = i } } } end
    for _, answer in ipairs(http.parallel(statute.ports, requests, 20)) do
      if answer.status == 201 then won = won + 1 else http.expect(answer, 409, "already_exists") end
    end
    assert.equal(1, won)
  end)

  it("of 200 clients on 50 walks leaves legal paths without gaps", function()
    for i = 1, 50 do statute:create("walk", "w" .. i, {}) end
    local random, count = 12345, 0
    local function roll(n) -- the same on every run
      random = (random * 1103515245 + 12345) % 2147483648
      return (random >> 8) % n + 1
    end
    local succeeded = {}
    local answers = http.parallel(statute.ports, function()
      count = count + 1
      if count > 4000 then return nil end
      return { method = "POST", path = ("/v1/entities/walk/w%d/transitions"):format(roll(50)),
               body = { to = ("ABCD"):sub(roll(4)):sub(1, 1) } }
    end, 200)
    assert.equal(4000, #answers)
    for _, answer in ipairs(answers) do
      if answer.status == 200 then
        succeeded[answer.json.id] = (succeeded[answer.json.id] or 0) + 1
      else
        http.expect(answer, 409, "invalid_transition")
      end
    end
    for i = 1, 50 do
      local id = "w" .. i
      local state, version = "A", 1
      for number, record in ipairs(statute:history("walk", id)) do
        assert.equal(number, record.sequence)
        if number > 1 and record.success then
          assert.equal(state, record.from_state)
          assert.truthy(WAYS[state]:find(record.to_state, 1, true))
          state, version = record.to_state, version + 1
          assert.equal(version, record.version)
        end
      end
      local entity = statute:read("walk", id).json
      assert.equal(state, entity.state)
      assert.equal(version, entity.version)
      assert.equal((succeeded[id] or 0) + 1, version)
    end
    local items = chain.decode(statute.client:get("/v1/entities/walk/w7/history?limit=1000").body).items
    assert.is_true(chain.verify(items))
  end)

  it("between changes loses no update", function()
    statute:create("counter", "c", { n = 0 })
    local count, moved = 0, 0
    local answers = http.parallel(statute.ports, function()
      count = count + 1
      if count > 1000 then return nil end
      return { method = "POST", path = "/v1/entities/counter/c/transitions", body = { to = count % 2 == 1 and "OFF" or "ON" } }
    end, 16)
    for _, answer in ipairs(answers) do moved = moved + (answer.status == 200 and 1 or 0) end
    local counter = statute:read("counter", "c").json
    assert.equal(moved, counter.data.n)
    assert.equal(moved + 1, counter.version)
  end)
end)
