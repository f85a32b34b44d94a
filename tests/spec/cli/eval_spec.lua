local json     = require "tests.support.json"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local DOOR = [[
local function empty(_, ctx) return ctx:count { machine = "guest", where = { door = ctx.id } } == 0, "There are guests" end
return {
  machine "door" {
    initial = "SHUT", fields = { height = { type = "integer", default = 2 } },
    states = {
      SHUT = { to = { OPEN = { name = "open", permit = "door.open" } }, after = { delay = "1d", to = "OPEN" } },
      OPEN = { on_enter = function(_, ctx) return { set = { opened_at = time.format(ctx.now) }, emit = { { type = "door.opened", data = {} } } } end,
               to = { SHUT = { guard = empty } } },
    },
  },
  machine "guest" { initial = "IN", states = { IN = {} } },
}
]]

describe("statute eval", function()
  local directory, folder

  setup(function()
    directory = policies.temporary()
    folder = policies.write({ ["door.lua"] = DOOR }, directory .. "/policies")
  end)
  teardown(function() policies.remove(directory) end)

  local function eval(request)
    local status, out, err = server.statute({ "eval", "--policies", folder }, type(request) == "string" and request or json.encode(request))
    return status, json.decode(out), err
  end

  it("lets a timer of the entity's state fire, as the engine would", function()
    local request = { machine = "door", id = "d", state = "SHUT", data = {}, timer = "OPEN", now = "2025-10-01T09:00:00Z" }
    local status, decision = eval(request)
    assert.equal(0, status)
    assert.same({ "SHUT", "OPEN", true }, { decision.from, decision.to, decision.changed })
    request.actor = { id = "ann" } -- nobody asks
    assert.equal(0, (eval(request)))
    request.timer = nil
    local fired = { server.statute({ "eval", "--policies", folder, "--timer", "OPEN" }, json.encode(request)) }
    assert.equal(0, fired[1])
    assert.equal("OPEN", json.decode(fired[2]).to)
  end)

  it("says which timers the state has not, and that a timer excludes a target", function()
    local status, _, err = eval { machine = "door", state = "OPEN", timer = "SHUT" }
    assert.equal(2, status)
    assert.truthy(err:find("the state 'OPEN' has no timer to 'SHUT'", 1, true), err)
    status, _, err = eval { machine = "door", state = "SHUT", timer = "OPEN", to = "OPEN" }
    assert.equal(2, status)
    assert.truthy(err:find("`timer` is for the action", 1, true), err)
  end)

  local OPEN = { machine = "door", id = "d", state = "SHUT", version = 1, data = {}, to = "OPEN", now = "2025-10-01T09:00:00Z",
                 actor = { id = "ann", permissions = { "door.open" } } }

  local function with(more)
    local request = {}
    for key, value in pairs(OPEN) do request[key] = value end
    for key, value in pairs(more) do request[key] = value end
    return request
  end

  it("decides without a server, a store or a clock", function()
    local status, decision, err = eval(OPEN)
    assert.equal(0, status, err)
    assert.is_true(decision.allowed)
    assert.is_true(decision.changed)
    assert.equal("SHUT", decision.from)
    assert.equal("OPEN", decision.to)
    assert.same({ opened_at = "2025-10-01T09:00:00Z" }, decision.data)
    assert.equal("door.opened", decision.emit[1].type)
  end)

  it("exits with 1 and says why when the answer is no", function()
    local status, decision = eval(with { actor = { id = "bob" } })
    assert.equal(1, status)
    assert.is_false(decision.allowed)
    assert.equal("permission_denied", decision.code)
    assert.same({ "door.open" }, decision.missing_permissions)
  end)

  it("sees the entities it is told of", function()
    local request = with { state = "OPEN", to = "SHUT", entities = { { machine = "guest", id = "g", state = "IN", data = { door = "d" } } } }
    local status, decision = eval(request)
    assert.equal(1, status)
    assert.same({ "There are guests" }, decision.messages)
    request.entities[1].data.door = "other"
    assert.equal(0, (eval(request)))
  end)

  it("creates and updates", function()
    local _, created = eval { machine = "door", id = "d", action = "create", data = { height = 3 }, now = "2025-10-01T09:00:00Z" }
    assert.equal("SHUT", created.to)
    assert.same({ height = 3 }, created.data)
    assert.equal(1, #created.timers)
    assert.equal("OPEN", created.timers[1].to)
    local _, updated = eval { machine = "door", id = "d", state = "SHUT", version = 4, action = "update", data = { height = 3 },
                              patch = { height = "tall" }, now = "2025-10-01T09:00:00Z" }
    assert.equal("validation_failed", updated.code)
    assert.is_string(updated.errors.height)
  end)

  it("answers line by line with --lines", function()
    local status, out, err = server.statute({ "eval", "--lines", "--policies", folder },
      json.encode(OPEN) .. "\n" .. json.encode(with { to = "MELTED" }) .. "\n" .. json.encode(OPEN) .. "\n")
    local answers = {}
    for line in out:gmatch("[^\n]+") do answers[#answers + 1] = json.decode(line) end
    assert.equal(3, #answers, err)
    assert.is_true(answers[1].allowed)
    assert.equal("invalid_transition", answers[2].code)
    assert.same({ "OPEN" }, answers[2].allowed_states)
    assert.same(answers[1], answers[3])
    assert.is_true(status == 0 or status == 1)
  end)

  it("answers the same every time", function()
    local _, first = server.statute({ "eval", "--policies", folder }, json.encode(OPEN))
    for _ = 1, 3 do
      local _, again = server.statute({ "eval", "--policies", folder }, json.encode(OPEN))
      assert.equal(first, again)
    end
  end)

  it("refuses what it cannot read", function()
    for _, text in ipairs { "", "{", "[]", '{"machine":"door"}', '{"machine":"door","to":"OPEN","colour":1}' } do
      local status, _, err = eval(text)
      assert.is_true(status == 1 or status == 2, text)
      assert.not_equal("", err)
    end
  end)
end)
