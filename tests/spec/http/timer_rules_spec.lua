-- What timers promise beyond firing on time: none is lost, none spent by a failure, all follow the rules in force.
local eventually = require "tests.support.eventually"
local http       = require "tests.support.http"
local server     = require "tests.support.server"
local socket     = require "socket"

local OTHER = [[return machine "other" { initial = "A", states = { A = {} } }]]

-- A machine "pot" whose state ON has `after`.
local function pot(after, more)
  return ([[
return machine "pot" {
  initial = "ON",
  states = {
    ON  = { %s to = { OFF = true, COLD = { %s } } },
    OFF = { to = { ON = true } },
    COLD = {},
  },
}]]):format(after and "after = " .. after .. "," or "", more or "")
end

describe("timers", function()
  local statute

  local function start(policy, options)
    options = options or {}
    options.policies = { ["pot.lua"] = policy, ["other.lua"] = OTHER }
    statute = server.start(options)
  end

  after_each(function()
    if statute then statute:stop() end
    statute = nil
  end)

  local function read(id) return statute:read("pot", id).json end
  local function state(id) return read(id).state end
  local function publish(policy, node)
    statute:write_policy("pot.lua", policy)
    http.expect((node or statute).client:post("/v1/policies/reload", {}), 200)
  end
  local function metric(name)
    local page = statute.client:get("/metrics").body
    return tonumber(page:match("\n" .. name:gsub("[{}]", "%%%0") .. " (%S+)"))
  end
  -- Microseconds since 1970 of an instant of this century.
  local function instant(text)
    local y, m, d, h, min, s = text:match("^(%d+)-(%d+)-(%d+)T(%d+):(%d+):([%d.]+)Z$")
    local days = os.time { year = y, month = m, day = d, hour = 12 } // 86400
    return ((days * 86400 + h * 3600 + min * 60) * 1000000) + math.floor(tonumber(s) * 1e6 + 0.5)
  end
  local function passes(seconds)
    local due = socket.gettime() + seconds
    eventually(function() return socket.gettime() > due end, seconds + 5)
  end
  local function sql(statements) return server.sql(statute.store, statements) end

  describe("of a machine that the node does not know", function()
    it("stay due, are told of, and fire when it knows it again", function()
      start(pot '{ delay = "700ms", to = "OFF" }')
      statute:create("pot", "p", {})
      statute:stop(true)
      statute:remove_policy("pot.lua")
      statute.options.arguments = { "--allow-missing" }
      statute:restart()
      eventually(function() return metric "statute_timers_stranded" == 1 end, 10, "the metric counts it")
      local since = metric "statute_timers_stranded_since_timestamp_seconds"
      assert.is_true(math.abs(socket.gettime() - since) < 20, since)
      eventually(function() return statute:log():find("timers_wait", 1, true) end, 5, "the log says so")
      assert.truthy(statute:log():find("machine 'pot', which is not loaded here, are due, the first since", 1, true))
      passes(1.2)
      assert.same({ "1" }, sql "SELECT count(*) FROM deadline;")
      statute:stop(true)
      statute:write_policy("pot.lua", pot '{ delay = "700ms", to = "OFF" }')
      statute:restart()
      eventually(function() return state "p" == "OFF" end, 5, "it fires")
      assert.equal(2, #statute:history("pot", "p"))
      eventually(function() return metric "statute_timers_stranded" == 0 end, 5)
    end)

    it("and of a state that it does not know, likewise", function()
      start(pot '{ delay = "500ms", to = "OFF" }')
      statute:create("pot", "p", {})
      publish [[return machine "pot" { initial = "OFF", states = { OFF = {} } }]]
      passes(1.5)
      assert.equal(1, #statute:history("pot", "p"))
      assert.same({ "1" }, sql "SELECT count(*) FROM deadline;")
      publish(pot '{ delay = "500ms", to = "OFF" }')
      eventually(function() return state "p" == "OFF" end, 5, "it fires")
    end)
  end)

  describe("that fail", function()
    local BROKEN = pot('{ delay = "50ms", to = "COLD" }', [[guard = function() error "out of order" end]])

    it("by a policy error are tried again after growing pauses, and fire once the policy is mended", function()
      start(BROKEN)
      statute:create("pot", "p", {})
      local due = read "p".timers[1].due_at
      eventually(function() return read "p".timers[1].attempts >= 2 end, 8, "it is tried again")
      assert.equal(due, read "p".timers[1].due_at)
      local history = statute:history("pot", "p")
      assert.equal("policy_error", history[2].error_code)
      assert.is_true(instant(history[3].timestamp) - instant(history[2].timestamp) >= 1000000)
      assert.is_true(metric 'statute_timers_total{result="again"}' >= 2)
      eventually(function() return metric "statute_timers_overdue" == 1 end, 5, "the gauge counts it")
      assert.truthy(statute:log():find("timer_failed", 1, true))
      publish(pot '{ delay = "50ms", to = "COLD" }')
      eventually(function() return state "p" == "COLD" end, 3, "it fires without waiting for the pause")
      assert.equal(0, #read "p".timers)
    end)

    it("by a policy error for the 41st time are tried again after an hour, no later", function()
      start(BROKEN)
      statute:create("pot", "p", {})
      for _, case in ipairs { { 9, 512 }, { 11, 2048 }, { 12, 3600 }, { 40, 3600 }, { 100000, 3600 } } do
        local attempts, pause = case[1], case[2]
        eventually(function() return read "p".timers[1].attempts >= 1 end, 5)
        statute:stop(true)
        sql(("UPDATE deadline SET attempts = %d, next_us = NULL;"):format(attempts))
        statute:restart()
        eventually(function() return read "p".timers[1].attempts == attempts + 1 end, 5, "it is tried at once")
        local history = statute:history("pot", "p")
        local tried, next_try = instant(history[#history].timestamp), tonumber(sql("SELECT next_us FROM deadline;")[1])
        assert.is_true(math.abs(next_try - tried - pause * 1000000) < 1000000,
          ("after %d attempts: %.1f s, not %d"):format(attempts + 1, (next_try - tried) / 1e6, pause))
      end
      assert.equal(1, #read "p".timers)
    end)

    it("by a policy error keep their attempts when the server is killed", function()
      start(BROKEN)
      statute:create("pot", "p", {})
      eventually(function() return read "p".timers[1].attempts >= 2 end, 8)
      statute:kill9()
      statute:restart()
      assert.is_true(read "p".timers[1].attempts >= 2)
    end)

    it("by a rule are recorded, told as timer.failed, and done: no change and no publication brings them back", function()
      local guard = [[guard = function(data) return data.ok == true, "Not yet" end]]
      start(pot('{ delay = function(data) return "50ms" end, to = "COLD", comments = "Cools" }', guard))
      statute:create("pot", "p", {})
      eventually(function() return #read "p".timers == 0 end, 5, "it is done")
      local record = statute:history("pot", "p")[2]
      assert.equal("guard_rejected", record.error_code)
      assert.equal("system_auto", record.reason)
      assert.equal("Cools", record.comments)
      local event = sql "SELECT id, machine, entity_id, json FROM outbox WHERE type = 'timer.failed';"
      assert.equal(1, #event)
      assert.truthy(event[1]:find(record.uuid .. ".1|pot|p|", 1, true), event[1])
      assert.truthy(event[1]:find('"code":"guard_rejected"', 1, true), event[1])
      http.expect(statute.client:patch("/v1/entities/pot/p", { data = { ok = true } }), 200)
      publish(pot('{ delay = function(data) return "50ms" end, to = "COLD", comments = "Cools more" }', guard))
      eventually(function() return sql("SELECT count(*) FROM timer_match WHERE finished_us = 0;")[1] == "0" end, 5)
      passes(1.2)
      assert.equal("ON", state "p")
      assert.equal(3, #statute:history("pot", "p"))
      -- entering the state again is a new beginning
      http.expect(statute:move("pot", "p", "OFF"), 200)
      http.expect(statute:move("pot", "p", "ON"), 200)
      eventually(function() return state "p" == "COLD" end, 5)
    end)

    it("by a rule are tried again with `retry`", function()
      start(pot('{ delay = "50ms", to = "COLD", retry = "300ms" }', [[guard = function(data) return data.ok == true, "Not yet" end]]))
      statute:create("pot", "p", {})
      eventually(function() return read "p".timers[1].attempts >= 2 end, 5)
      local history = statute:history("pot", "p")
      assert.equal("guard_rejected", history[3].error_code)
      assert.is_true(instant(history[3].timestamp) - instant(history[2].timestamp) >= 300000)
      http.expect(statute.client:patch("/v1/entities/pot/p", { data = { ok = true } }), 200)
      eventually(function() return state "p" == "COLD" end, 5)
    end)
  end)

  describe("with a delay function", function()
    before_each(function()
      start(pot [[{ { delay = function(data) return data.wait or data.at end, to = "OFF" }, { delay = "5h", to = "COLD" } }]])
    end)

    local function patch(data) http.expect(statute.client:patch("/v1/entities/pot/p", { data = data }), 200) end
    local function due(to)
      for _, timer in ipairs(read "p".timers) do
        if timer.to == to then return instant(timer.due_at) end
      end
    end

    it("follow every change of the data, counted from the time the state was entered", function()
      local entered = instant(statute:create("pot", "p", { wait = "1h" }).updated_at)
      local fixed = due "COLD"
      assert.equal(entered + 3600000000, due "OFF")
      patch { wait = "2h" }
      assert.equal(entered + 7200000000, due "OFF")
      patch { note = "nothing to do with it" }
      assert.equal(entered + 7200000000, due "OFF")
      patch { wait = http.null, at = "2031-01-01T00:00:00Z" }
      assert.equal(instant "2031-01-01T00:00:00Z", due "OFF")
      patch { at = http.null }
      assert.is_nil(due "OFF")
      assert.equal(fixed, due "COLD")
      patch { wait = "10ms" }
      eventually(function() return state "p" == "OFF" end, 5, "it fires")
      assert.equal(0, #read "p".timers)
    end)

    it("are moved in the same transaction: a dry run moves nothing", function()
      statute:create("pot", "p", { wait = "1h" })
      local before = due "OFF"
      http.expect(statute.client:patch("/v1/entities/pot/p", { data = { wait = "2h" }, options = { dry_run = true } }), 200)
      assert.equal(before, due "OFF")
    end)
  end)

  describe("when the rules change", function()
    it("are armed, moved, led elsewhere and dropped for entities that are in the state already", function()
      start(pot(nil))
      local entered = instant(statute:create("pot", "p", {}).updated_at)
      http.expect(statute.client:patch("/v1/entities/pot/p", { data = { note = "later" } }), 200)
      assert.equal(0, #read "p".timers)
      publish(pot '{ delay = "1h", to = "OFF" }')
      eventually(function() return #read "p".timers == 1 end, 5, "it is armed")
      assert.equal(entered + 3600000000, instant(read "p".timers[1].due_at))
      publish(pot '{ delay = "2h", to = "OFF" }')
      eventually(function() return instant(read "p".timers[1].due_at) == entered + 7200000000 end, 5, "it is moved")
      publish(pot '{ delay = "2h", to = "COLD" }')
      eventually(function() return read "p".timers[1].to == "COLD" end, 5, "it leads elsewhere")
      assert.equal(1, #read "p".timers)
      publish(pot(nil))
      eventually(function() return #read "p".timers == 0 end, 5, "it is dropped")
      publish(pot '{ delay = "1ms", to = "OFF" }')
      eventually(function() return state "p" == "OFF" end, 5, "what is due already fires")
      assert.equal(3, #statute:history("pot", "p"))
      assert.is_true(metric 'statute_timers_matched_entities_total{result="changed"}' >= 5)
      assert.truthy(statute:log():find("timers_matched", 1, true))
    end)

    it("are not fired by rules of before", function()
      start(pot '{ delay = "1h", to = "OFF" }')
      for i = 1, 250 do statute:create("pot", "p" .. i, {}) end
      statute:stop(true)
      sql "UPDATE deadline SET due_us = due_us - 7200000000;" -- an hour overdue, as those rules would have it
      statute:write_policy("pot.lua", pot '{ delay = "3h", to = "OFF" }')
      statute:restart()
      eventually(function() return sql("SELECT count(*) FROM timer_match WHERE finished_us = 0;")[1] == "0" end, 10)
      passes(1.2)
      for i = 1, 250 do assert.equal("ON", state("p" .. i)) end
      assert.equal(instant(read "p250".created_at) + 3 * 3600000000, instant(read "p250".timers[1].due_at))
    end)

    it("keep failing timers to themselves: a delay function that fails leaves its timers as they were", function()
      start(pot '{ delay = "1h", to = "OFF" }')
      statute:create("pot", "p", {})
      statute:create("pot", "q", { wait = "30m" })
      publish(pot [[{ delay = function(data) return data.wait:lower() end, to = "OFF" }]])
      eventually(function() return statute:log():find("timers_unmatched", 1, true) end, 5)
      local created = instant(read "q".created_at)
      eventually(function() return instant(read "q".timers[1].due_at) == created + 1800000000 end, 5)
      assert.equal(instant(read "p".created_at) + 3600000000, instant(read "p".timers[1].due_at))
    end)

    local function armed_once(count)
      eventually(function()
        return sql("SELECT count(*) FROM deadline;")[1] == tostring(count) and
          sql("SELECT count(*) FROM timer_match WHERE finished_us = 0;")[1] == "0"
      end, 30, "all are armed")
      assert.same({ tostring(count) }, sql "SELECT count(DISTINCT entity) FROM deadline;")
    end

    it("are matched to the end after a crash", function()
      start(pot(nil))
      local ids = {}
      for i = 1, 3000 do ids[i] = ('{"machine":"pot","id":"p%d","state":"ON","data":{}}'):format(i) end
      statute:stop(true)
      local status, _, err = server.statute({ "import", "--store", statute.store, "--policies", statute.policy_directory,
                                              "-" }, table.concat(ids, "\n") .. "\n")
      assert.equal(0, status, err)
      statute:write_policy("pot.lua", pot '{ delay = "1h", to = "OFF" }')
      statute:restart()
      eventually(function()
        local position = sql "SELECT position FROM timer_match WHERE machine = 'pot';"
        return position[1] and tonumber(position[1]) > 0
      end, 10, "some are armed")
      statute:kill9()
      assert.is_true(tonumber(sql("SELECT count(*) FROM deadline;")[1]) < 3000)
      statute:restart()
      armed_once(3000)
      assert.same({ "3000" }, sql "SELECT seen FROM timer_match WHERE machine = 'pot';")
    end)

    -- A SQLite store has one node.
    local only_shared = server.store_kind == "sqlite" and function() end or it
    only_shared("are matched once by several nodes, whichever publishes first, and fire once", function()
      start(pot(nil), { nodes = 3 })
      for i = 1, 600 do statute:create("pot", "p" .. i, {}) end
      publish(pot '{ delay = "1h", to = "OFF" }', statute.nodes[2])
      http.expect(statute.nodes[1].client:post("/v1/policies/reload", {}), 200)
      http.expect(statute.nodes[3].client:post("/v1/policies/reload", {}), 200)
      armed_once(600)
      publish(pot '{ delay = "1ms", to = "OFF" }', statute.nodes[3])
      http.expect(statute.nodes[1].client:post("/v1/policies/reload", {}), 200)
      http.expect(statute.nodes[2].client:post("/v1/policies/reload", {}), 200)
      eventually(function() return sql("SELECT count(*) FROM entity WHERE state = 'OFF';")[1] == "600" end, 30, "all fire")
      assert.same({ "1200" }, sql "SELECT count(*) FROM audit;")
    end)
  end)

  it("that lead to each other without a pause are stopped after 100, recorded and reported", function()
    start [[return machine "pot" { initial = "ON", states = {
      ON  = { after = { delay = "0s", to = "OFF" }, to = { OFF = true } },
      OFF = { after = { delay = "0s", to = "ON" }, to = { ON = true, COLD = true } }, COLD = {} } }]]
    statute:create("pot", "p", {})
    eventually(function() return metric 'statute_timers_total{result="stopped"}' == 1 end, 30, "it is stopped")
    local history = statute:history("pot", "p")
    assert.equal(102, #history)
    assert.is_false(history[102].success)
    assert.equal("policy_error", history[102].error_code)
    assert.truthy(history[102].error_message:find("without a pause", 1, true))
    assert.truthy(statute:log():find("timer_chain_stopped", 1, true))
    assert.same({ "1" }, sql "SELECT count(*) FROM outbox WHERE type = 'timer.failed';")
    passes(1.5)
    assert.equal(102, #statute:history("pot", "p"))
    assert.equal(0, #read "p".timers)
  end)

  it("that are overdue are counted by state, with the oldest entity in it", function()
    start(pot('{ delay = "50ms", to = "COLD" }', [[guard = function() error "out of order" end]]))
    local first = statute:create("pot", "a", {})
    statute:create("pot", "b", {})
    statute:create("pot", "c", {})
    local moved = http.expect(statute:move("pot", "c", "OFF"), 200)
    http.expect(statute.client:patch("/v1/entities/pot/a", { data = { note = "still the oldest" } }), 200)
    local answer = eventually(function()
      local answer = http.expect(statute.client:get "/v1/stats/states/pot", 200)
      return answer.states[3].overdue_timers == 2 and answer
    end, 5)
    assert.equal("pot", answer.machine)
    assert.same({ state = "COLD", entities = 0, overdue_timers = 0 }, answer.states[1])
    assert.same({ "OFF", 1, 0 }, { answer.states[2].state, answer.states[2].entities, answer.states[2].overdue_timers })
    assert.is_true(instant(answer.states[2].oldest_at) > instant(first.updated_at) and moved.success)
    assert.same({ state = "ON", entities = 2, oldest_at = first.updated_at, overdue_timers = 2 }, answer.states[3])
    assert.equal(404, statute.client:get("/v1/stats/states/nothing").status)
  end)
end)
