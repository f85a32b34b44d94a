-- Who may: permission expressions, what denies, and how refusals tell what is missing.
local json   = require "tests.support.json"
local http   = require "tests.support.http"
local server = require "tests.support.server"

local CLAIM = [[
local function is_owner(actor, claim) return actor.id == claim.owner, "Only the owner" end
local function is_small(_, claim) return (claim.amount or 0) < 100, "Too much for you" end
local function is_own(actor, claim) return actor.id == claim.owner, "Nobody pays a claim of their own" end
local function is_frozen(_, claim) return claim.frozen end

return machine "claim" {
  initial = "OPEN",
  states  = {
    OPEN = { to = {
      PAID   = { permit = { "claim.pay", is_small }, deny = { is_own, is_frozen } },
      LATE   = { permit = any { "claim.admin", is_owner } },
      LOST   = { permit = { "claim.lose", any { "claim.admin", { "claim.find", "claim.seek" } } } },
      FROZEN = { deny = is_frozen },
      ODD    = { deny = function() return "perhaps" end },
    } },
    PAID = { final = true }, LATE = { final = true }, LOST = { final = true }, FROZEN = { final = true }, ODD = { final = true },
  },
}
]]

describe("a permission", function()
  local statute, claims = nil, 0

  setup(function() statute = server.start { policies = { ["claim.lua"] = CLAIM } } end)
  teardown(function() statute:stop() end)

  local function claim(data)
    claims = claims + 1
    return statute:create("claim", "claim-" .. claims, data or {}).id
  end
  local function ann(...) return { id = "ann", permissions = json.array { ... } } end
  local function move(id, to, actor, options) return statute:move("claim", id, { to = to, actor = actor, options = options }) end
  local function refused(...) return http.expect(move(...), 403, "permission_denied") end

  it("may be a name and a function, and both are needed", function()
    http.expect(move(claim(), "PAID", ann "claim.pay"), 200)
    assert.same({ "claim.pay" }, refused(claim(), "PAID", ann()).missing_permissions)
    local problem = refused(claim { amount = 100 }, "PAID", ann "claim.pay")
    assert.equal("Too much for you", problem.detail)
    assert.same({ "claim.pay" }, problem.required_permissions)
    assert.same({}, problem.missing_permissions)
  end)

  it("may be any of several, and then one is enough", function()
    http.expect(move(claim(), "LATE", ann "claim.admin"), 200)
    http.expect(move(claim { owner = "ann" }, "LATE", ann()), 200)
    local problem = refused(claim { owner = "bob" }, "LATE", ann())
    assert.same({ "claim.admin" }, problem.missing_permissions)
    assert.truthy(problem.detail:find("needs 'claim.admin'; Only the owner", 1, true), problem.detail)
    assert.same({ "claim.admin" }, refused(claim { owner = "ann" }, "LATE", nil).missing_permissions)
  end)

  it("may be nested, and says what is missing in the parts that are not met", function()
    http.expect(move(claim(), "LOST", ann("claim.lose", "claim.admin")), 200)
    http.expect(move(claim(), "LOST", ann("claim.lose", "claim.find", "claim.seek")), 200)
    local problem = refused(claim(), "LOST", ann("claim.lose", "claim.find"))
    assert.same({ "claim.lose", "claim.admin", "claim.find", "claim.seek" }, problem.required_permissions)
    assert.same({ "claim.admin", "claim.seek" }, problem.missing_permissions)
    assert.truthy(problem.detail:find("it needs ('claim.admin' or 'claim.seek')", 1, true), problem.detail)
    assert.same({ "claim.lose" }, refused(claim(), "LOST", ann "claim.admin").missing_permissions)
  end)

  describe("is denied", function()
    it("whatever else permits, and the answer says by what", function()
      local problem = refused(claim { owner = "ann" }, "PAID", ann "*")
      assert.equal("states.OPEN.to.PAID.deny[1]", problem.denied_by)
      assert.equal("Nobody pays a claim of their own", problem.detail)
      problem = refused(claim { frozen = true }, "PAID", ann "*")
      assert.equal("states.OPEN.to.PAID.deny[2]", problem.denied_by)
      assert.truthy(problem.detail:find("'ann' may not go from 'OPEN' to 'PAID'", 1, true), problem.detail)
    end)

    it("with skip_permissions, and without an actor", function()
      local skip = { skip_permissions = true }
      assert.truthy(refused(claim { frozen = true }, "PAID", nil, skip).denied_by)
      assert.equal("states.OPEN.to.FROZEN.deny", refused(claim { frozen = true }, "FROZEN").denied_by)
      http.expect(move(claim(), "FROZEN"), 200)
      http.expect(move(claim { amount = 1000, owner = "bob" }, "PAID", nil, skip), 200)
    end)

    it("by true alone, and what is neither true nor false is an error", function()
      http.expect(move(claim(), "ODD", ann "*"), 500, "policy_error")
    end)
  end)

  it("is told in the list of transitions, for whoever asks", function()
    local function open_to(id, query)
      local open = {}
      for _, item in ipairs(http.expect(statute.client:get("/v1/entities/claim/" .. id .. "/transitions" .. query), 200).transitions) do
        if item.to ~= "ODD" and item.permitted then open[#open + 1] = item.to end
      end
      return table.concat(open, " ")
    end
    statute:write_policy("claim.lua", (CLAIM:gsub("ODD    = { deny[^\n]+\n", "ODD = true,\n", 1)))
    http.expect(statute.client:post "/v1/policies/reload", 200)
    assert.equal("FROZEN", open_to(claim(), ""))
    assert.equal("FROZEN LATE", open_to(claim(), "?actor=ann&permissions=claim.admin"))
    assert.equal("FROZEN LATE LOST PAID", open_to(claim(), "?actor=ann&permissions=*"))
    assert.equal("LATE LOST", open_to(claim { owner = "ann", frozen = true }, "?actor=ann&permissions=*"))
    local found = http.expect(statute.client:get "/v1/machines/claim", 200)
    for _, state in ipairs(found.states) do
      for _, item in ipairs(state.to) do
        if item.to == "LOST" then
          assert.same({ all = { "claim.lose", { any = { "claim.admin", { all = { "claim.find", "claim.seek" } } } } } }, item.permit)
        elseif item.to == "PAID" then
          assert.same({ all = { "claim.pay", { ["function"] = true } } }, item.permit)
          assert.is_true(item.denies)
        end
      end
    end
  end)
end)

describe("a timer's transition", function()
  it("is open to no request, whatever the request says", function()
    local statute = server.start { policies = { ["bell.lua"] = [[
      return machine "bell" { initial = "A", states = { A = { after = { delay = "1h", to = "B", reason = "timer" } }, B = {} } }
    ]] } }
    statute:create("bell", "b", {})
    http.expect(statute:move("bell", "b", { to = "B", reason = "timer", options = { skip_permissions = true } }), 409, "invalid_transition")
    statute:stop()
  end)
end)
