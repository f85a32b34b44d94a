local http   = require "tests.support.http"
local server = require "tests.support.server"

local DOOR = [[
local function is_owner(actor, door) return actor.id == door.owner, "Only the owner" end
return machine "door" {
  initial = "SHUT",
  states = {
    SHUT = { to = { OPEN = { name = "open", permit = { "door.open", "door.touch" } }, LOCKED = { permit = is_owner }, GONE = true } },
    OPEN = {}, LOCKED = { final = true }, GONE = { final = true },
  },
}
]]

describe("the allowed transitions", function()
  local statute

  setup(function()
    statute = server.start { policies = { ["door.lua"] = DOOR, ["roles.lua"] = [[ return roles { guest = { "door.open" } } ]] } }
    statute:create("door", "d", { owner = "ann" })
    statute:create("door", "gone", {}, "GONE")
  end)
  teardown(function() statute:stop() end)

  local function ways(query, id)
    local answer = http.expect(statute.client:get(("/v1/entities/door/%s/transitions%s"):format(id or "d", query or "")), 200)
    local by_state = {}
    for _, way in ipairs(answer.transitions) do by_state[way.to] = way end
    return by_state, answer
  end

  it("are all ways out of the state, with what they need", function()
    local by_state, answer = ways()
    assert.equal("SHUT", answer.state)
    assert.equal(3, #answer.transitions)
    table.sort(by_state.OPEN.required_permissions)
    assert.same({ "door.open", "door.touch" }, by_state.OPEN.required_permissions)
    assert.equal("open", by_state.OPEN.name)
    assert.is_false(by_state.OPEN.final)
    assert.is_true(by_state.LOCKED.final)
    assert.same({}, by_state.GONE.required_permissions)
  end)

  it("are permitted or not, for the actor who asks", function()
    local nobody = ways()
    assert.is_false(nobody.OPEN.permitted)
    assert.is_false(nobody.LOCKED.permitted)
    assert.is_true(nobody.GONE.permitted)
    local ann = ways("?actor=ann&permissions=door.open,door.touch")
    assert.is_true(ann.OPEN.permitted)
    assert.is_true(ann.LOCKED.permitted)
    assert.is_false(ways("?actor=bob&roles=guest").OPEN.permitted)
    assert.is_true(ways("?actor=bob&roles=guest&permissions=door.touch").OPEN.permitted)
    assert.is_true(ways("?actor=" .. http.escape('{"id":"ann"}')).LOCKED.permitted)
  end)

  it("of a final state are none", function()
    local _, answer = ways("", "gone")
    assert.same({}, answer.transitions)
  end)

  it("of what is not there are 404", function()
    http.expect(statute.client:get("/v1/entities/door/x/transitions"), 404, "entity_not_found")
    http.expect(statute.client:get("/v1/entities/gate/x/transitions"), 404, "unknown_machine")
  end)
end)
