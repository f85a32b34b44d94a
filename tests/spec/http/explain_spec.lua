-- Why a transition was refused, and what would be allowed.
local http   = require "tests.support.http"
local server = require "tests.support.server"

local LIBRARY = [[
local function has_buyer(house) return house.buyer ~= nil, "Nobody buys it" end
return { has_buyer = has_buyer }
]]

local HOUSE = [[
local tools = require "lib.tools"
local function is_owner(actor, house) return actor.id == house.owner, "Only the owner" end
local function has_reason(_, ctx)
  return ctx.comments ~= nil, "Say why"
end
return machine "house" {
  initial = "BUILT",
  fields  = {
    floors = { type = "integer", min = 1 },
  },
  states = {
    BUILT  = {
      to = {
        SOLD   = { permit = { "house.sell", "house.sign" } },
        LET    = true,
        GUTTED = { permit = is_owner },
      },
    },
    SOLD   = { require = { tools.has_buyer, has_reason }, to = { LET = true } },
    LET    = { to = { RAZED = true } },
    RAZED  = { final = true }, GUTTED = { final = true },
  },
}
]]

local ROLES = [[ return roles { agent = { "house.sell", "house.sign" }, clerk = { "house.sell" }, boss = { "house.*" }, admin = { "*" } } ]]

describe("an explanation", function()
  local statute

  setup(function()
    statute = server.start { policies = { ["house.lua"] = HOUSE, ["roles.lua"] = ROLES, ["lib/tools.lua"] = LIBRARY } }
    statute:create("house", "h", { owner = "ann" })
  end)
  teardown(function() statute:stop() end)

  local function try(body, query)
    return statute.client:post("/v1/entities/house/h/transitions" .. (query or "?explain=true"), body)
  end

  it("is given to who asks for it only", function()
    local body = { to = "SOLD", actor = { id = "bob" } }
    assert.is_nil(http.expect(try(body, ""), 403).explanation)
    assert.is_nil(http.expect(try(body, "?explain=false"), 403).explanation)
    assert.is_table(http.expect(try(body), 403).explanation)
    http.expect(try(body, "?explain=yes"), 400, "bad_request")
    http.expect(try(body, "?explian=true"), 400, "bad_request")
  end)

  it("of a missing permission names the rule, the permissions, and the least role that has them", function()
    local problem = http.expect(try { to = "SOLD", actor = { id = "bob", roles = { "clerk" } } }, 403, "permission_denied")
    local rule = problem.explanation.rules[1]
    assert.same({ "house.lua", 14, "refused" }, { rule.file, rule.line, rule.outcome })
    assert.equal("the permit of 'BUILT' to 'SOLD'", rule.rule)
    assert.same({ "house.sign" }, problem.explanation.nearest.permissions)
    assert.same({ "agent", "boss", "admin" }, problem.explanation.nearest.roles)
    assert.same({ "GUTTED", "LET" }, problem.explanation.nearest.states)
  end)

  it("of a permit function names the function", function()
    local problem = http.expect(try { to = "GUTTED", actor = { id = "bob" } }, 403, "permission_denied")
    assert.same({ { rule = "the permit function", file = "house.lua", line = 2, outcome = "refused", message = "Only the owner" } },
      problem.explanation.rules)
  end)

  it("of guards says what they looked for in vain, wherever they stand", function()
    local problem = http.expect(try { to = "SOLD", actor = { id = "bob", roles = { "agent" } } }, 422, "guard_rejected")
    assert.same({ "Nobody buys it", "Say why" }, problem.messages)
    local rules = problem.explanation.rules
    assert.same({ rule = "the requirement of 'SOLD'", file = "lib/tools.lua", line = 1, outcome = "refused", message = "Nobody buys it",
      absent = { "buyer" } }, rules[1])
    assert.same({ "house.lua", 3 }, { rules[2].file, rules[2].line })
    assert.same({ "ctx.comments" }, rules[2].absent)
    assert.same({ "buyer", "ctx.comments" }, problem.explanation.nearest.fields)
  end)

  it("of a state that cannot be reached says how it can", function()
    local problem = http.expect(try { to = "RAZED", actor = { id = "bob" } }, 409, "invalid_transition")
    assert.same({ "LET", "RAZED" }, problem.explanation.nearest.path)
    assert.same({ "house.lua", 13 }, { problem.explanation.rules[1].file, problem.explanation.rules[1].line })
  end)

  it("of wrong data names the fields and where they are declared", function()
    local problem = http.expect(try { to = "LET", actor = { id = "bob" }, data = { floors = 0 } }, 422, "validation_failed")
    assert.same({ "floors" }, problem.explanation.nearest.fields)
    assert.same({ "house.lua", 9 }, { problem.explanation.rules[1].file, problem.explanation.rules[1].line })
  end)

  it("says nothing that the answer itself would not", function()
    local problem = http.expect(try { to = "GUTTED", actor = { id = "bob" }, comments = "from joe@example.org" }, 403)
    assert.equal("Only the owner", problem.explanation.rules[1].message)
    statute:write_policy("house.lua", (HOUSE:gsub('"Only the owner"', '"Only the owner: " .. house.mail')))
    statute:write_policy("pii.lua", [[ return pii { redact = { "email" } } ]])
    http.expect(statute.client:post "/v1/policies/reload", 200)
    http.expect(statute.client:patch("/v1/entities/house/h", { data = { mail = "ann@example.org" } }), 200)
    problem = http.expect(try { to = "GUTTED", actor = { id = "bob" } }, 403)
    assert.equal("Only the owner: [email]", problem.explanation.rules[1].message)
    local answer = http.expect(statute.client:post("/access/v1/evaluation", { subject = { type = "user", id = "bob" },
      action = { name = "GUTTED" }, resource = { type = "house", id = "h" } }), 200)
    assert.equal("Only the owner: [email]", answer.context.reason)
  end)

  it("of what is allowed lists what was asked, and changes nothing", function()
    local body = { to = "SOLD", comments = "Moving", data = { buyer = "eve" }, actor = { id = "bob", roles = { "agent" } }, options = { dry_run = true } }
    local answer = http.expect(try(body), 200)
    assert.is_nil(answer.explanation.nearest)
    assert.equal(2, #answer.explanation.rules)
    assert.same({ "allowed", "allowed" }, { answer.explanation.rules[1].outcome, answer.explanation.rules[2].outcome })
    local plain = http.expect(try(body, ""), 200)
    assert.same(plain.data, answer.data)
  end)
end)

describe("statute eval --explain", function()
  it("explains without a server", function()
    local status, out = server.statute({ "eval", "--explain" },
      [[{"machine":"work_order","state":"SUBMITTED","to":"APPROVED","actor":{"id":"ann","roles":["work_order_approver"]}}]])
    assert.equal(1, status)
    assert.truthy(out:find('"absent": %["vendor_id"%]') or out:find('"absent":["vendor_id"]', 1, true), out)
    assert.truthy(out:find("work_order.lua", 1, true))
  end)
end)
