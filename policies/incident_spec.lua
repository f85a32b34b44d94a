local ways = require "lib.ways"

-- What the public incident log contains: 890 incidents, 5,998 rows.
local WAYS = {
  ["New"]                = { "Active", "Awaiting User Info", "Awaiting Problem", "Resolved" },
  ["Active"]             = { "Awaiting User Info", "Awaiting Problem", "Awaiting Vendor", "Resolved" },
  ["Awaiting User Info"] = { "Active", "Awaiting Problem", "Awaiting Vendor", "Awaiting Evidence", "Resolved" },
  ["Awaiting Problem"]   = { "Active", "Awaiting User Info", "Resolved" },
  ["Awaiting Vendor"]    = { "Active", "Awaiting User Info", "Awaiting Evidence" },
  ["Awaiting Evidence"]  = { "Resolved" },
  ["Resolved"]           = { "Active", "Closed" },
  ["Closed"]             = {},
}

local NOW = "2016-02-29T01:16:00Z"

describe("incident", function()
  for _, way in ipairs(ways.pairs(WAYS)) do
    local function move()
      return decide { machine = "incident", id = "INC1", state = way.from, version = 1, to = way.to, data = {}, now = NOW }
    end
    if way.declared then
      it(("goes from %s to %s"):format(way.from, way.to), function()
        local decision = move()
        assert.is_true(decision.allowed)
        assert.equal(way.to, decision.to)
      end)
    else
      it(("does not go from %s to %s"):format(way.from, way.to), function()
        local decision = move()
        assert.equal("invalid_transition", decision.code)
        assert.same(ways.out_of(WAYS, way.from), decision.allowed_states)
      end)
    end
  end

  it("begins New", function()
    local decision = decide { machine = "incident", id = "INC1", action = "create", data = {}, now = NOW }
    assert.is_true(decision.allowed)
    assert.equal("New", decision.to)
  end)

  it("stores times as UTC", function()
    local decision = decide { machine = "incident", id = "INC1", action = "create", now = NOW,
                              data = { opened_at = "2016-02-29T01:16:00+00:00" } }
    assert.equal("2016-02-29T01:16:00Z", decision.data.opened_at)
  end)

  it("names fields of the wrong type", function()
    local decision = decide { machine = "incident", id = "INC1", action = "create", now = NOW,
                              data = { active = "TRUE", sys_mod_count = -1, impact = "Huge", opened_at = "29-02-2016 01:16" } }
    assert.equal("validation_failed", decision.code)
    for _, field in ipairs { "active", "sys_mod_count", "impact", "opened_at" } do
      assert.is_not_nil(decision.errors[field])
    end
  end)
end)
