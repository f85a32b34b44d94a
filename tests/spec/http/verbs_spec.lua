-- Which transition a request takes: ["*"], several verbs to one state, `choose`, `internal`; the verb in ctx and audit.
local http   = require "tests.support.http"
local server = require "tests.support.server"

local CLAIM = [[
local function by(_, ctx) return { set = { by = ctx.transition } } end
return {
  machine "claim" {
    initial = "OPEN",
    states = {
      ["*"] = { to = { CANCELLED = { name = "cancel", permit = "claim.cancel",
                                     guard = function(c) return c.locked ~= true, "Locked" end, effect = by } } },
      OPEN = {
        to = {
          APPROVED = { { name = "approve", permit = "claim.approve", effect = by },
                       { name = "approve_large", permit = "claim.approve_large", effect = by } },
          REJECTED = { guard = function(c) return c.why ~= nil, "Why?" end },
          SETTLED  = { name = "settle", internal = true, effect = by },
          LAPSED   = { internal = true },
        },
        choose = { review = function(c, ctx)
          if c.amount == nil then return "SETTLED" elseif c.amount == 0 then return "NOWHERE" end
          return c.amount < (ctx.metadata.limit or 100) and "APPROVED" or "REJECTED"
        end },
        after = { delay = function(c) return c.lapse and "0s" or nil end, to = "LAPSED", reason = "system_auto" },
      },
      APPROVED = { to = { OPEN = { name = "reopen" } } },
      REJECTED = {}, LAPSED = {}, CANCELLED = {}, SETTLED = { final = true }, NOWHERE = {},
    },
  },
  machine "payment" {
    initial = "DUE",
    states = {
      DUE  = { to = { PAID = { effect = function(p) return { follow = { { machine = "claim", id = p.claim, transition = "settle" } } } end } } },
      PAID = { final = true },
    },
  },
}
]]

local BOSS = { id = "boss", permissions = { "*" } }

local function having(...) return { id = "ann", permissions = { ... } } end

describe("a verb", function()
  local statute, claims = nil, 0

  setup(function() statute = server.start { policies = { ["claim.lua"] = CLAIM } } end)
  teardown(function() statute:stop() end)

  local function claim(data, state)
    claims = claims + 1
    return statute:create("claim", "c" .. claims, data or {}, state).id
  end
  local function move(id, request) return statute:move("claim", id, request) end
  local function last_record(id)
    local items = http.expect(statute.client:get("/v1/entities/claim/" .. id .. "/history?limit=1000"), 200).items
    return items[#items]
  end
  local function list(id, query)
    return http.expect(statute.client:get("/v1/entities/claim/" .. id .. "/transitions" .. (query or "")), 200).transitions
  end
  local function named(id, name, query)
    for _, item in ipairs(list(id, query)) do if item.name == name then return item end end
  end

  describe("of [\"*\"]", function()
    it("leads out of every state, with its permit, guard and effect", function()
      local done = http.expect(move(claim(), { transition = "cancel", actor = BOSS }), 200)
      assert.equal("CANCELLED", done.to)
      assert.equal("cancel", done.data.by)
      http.expect(move(claim({}, "REJECTED"), { to = "CANCELLED", actor = BOSS }), 200)
      http.expect(move(claim(), { transition = "cancel", actor = having("x") }), 403, "permission_denied")
      http.expect(move(claim { locked = true }, { transition = "cancel", actor = BOSS }), 422, "guard_rejected")
    end)

    it("does not lead out of final states, nor of the target", function()
      for _, state in ipairs { "SETTLED", "CANCELLED" } do
        http.expect(move(claim({}, state), { transition = "cancel", actor = BOSS }), 409, "invalid_transition")
        assert.same({}, list(claim({}, state)))
      end
    end)

    it("is known to discovery", function()
      local machine = http.expect(statute.client:get("/v1/machines/claim"), 200)
      for _, state in ipairs(machine.states) do
        assert.not_equal("*", state.name)
        for _, to in ipairs(state.to) do assert.equal(to.name == "cancel", to.from_any == true) end
      end
    end)
  end)

  describe("of several to one state", function()
    it("has a permit and an effect of its own", function()
      local done = http.expect(move(claim(), { transition = "approve_large", actor = having("claim.approve_large") }), 200)
      assert.equal("approve_large", done.data.by)
      http.expect(move(claim(), { transition = "approve", actor = having("claim.approve_large") }), 403, "permission_denied")
    end)

    it("is the first that is permitted when the state is sent", function()
      local done = http.expect(move(claim(), { to = "APPROVED", actor = BOSS }), 200)
      assert.equal("approve", done.data.by)
      done = http.expect(move(claim(), { to = "APPROVED", actor = having("claim.approve_large") }), 200)
      assert.equal("approve_large", done.data.by)
      local refused = http.expect(move(claim(), { to = "APPROVED", actor = having("x") }), 403, "permission_denied")
      assert.same({ "claim.approve" }, refused.missing_permissions)
    end)

    it("is listed with its neighbours", function()
      local id = claim()
      assert.equal("APPROVED", named(id, "approve", "?permissions=claim.approve").to)
      assert.is_true(named(id, "approve", "?permissions=claim.approve").allowed)
      assert.is_false(named(id, "approve_large", "?permissions=claim.approve").allowed)
    end)

    it("is in the record, whichever way it was asked for", function()
      local id = claim()
      move(id, { to = "APPROVED", actor = having("claim.approve_large") })
      assert.equal("approve_large", last_record(id).transition)
      move(id, { transition = "reopen" })
      assert.equal("reopen", last_record(id).transition)
      move(id, { to = "REJECTED", data = { why = "x" } })
      assert.is_nil(last_record(id).transition)
      id = claim()
      move(id, { transition = "fly" })
      assert.equal("fly", last_record(id).transition)
    end)
  end)

  describe("of `choose`", function()
    it("leads where its function says, and that transition's permit and guard hold", function()
      local id = claim { amount = 5 }
      local done = http.expect(move(id, { transition = "review", actor = BOSS }), 200)
      assert.equal("APPROVED", done.to)
      assert.equal("review", done.data.by)
      assert.equal("review", last_record(id).transition)
      http.expect(move(claim { amount = 5 }, { transition = "review", actor = having("x") }), 403, "permission_denied")
      local refused = http.expect(move(claim { amount = 500 }, { transition = "review" }), 422, "guard_rejected")
      assert.same({ "Why?" }, refused.messages)
      assert.equal("REJECTED", http.expect(move(claim { amount = 500 }, { transition = "review", data = { why = "x" } }), 200).to)
      assert.equal("REJECTED", http.expect(move(claim { amount = 5 },
        { transition = "review", data = { why = "x" }, metadata = { limit = 1 } }), 200).to)
    end)

    it("that answers what is no target, or an internal one, is a policy error", function()
      local answer = http.expect(move(claim { amount = 0 }, { transition = "review" }), 500, "policy_error")
      assert.truthy(answer.detail:find("returned 'NOWHERE'", 1, true))
      http.expect(move(claim(), { transition = "review", actor = BOSS }), 500, "policy_error")
    end)

    it("is listed with where it leads now", function()
      local item = named(claim { amount = 5 }, "review", "?permissions=claim.approve")
      assert.equal("APPROVED", item.to)
      assert.is_true(item.allowed)
      item = named(claim { amount = 500 }, "review")
      assert.equal("REJECTED", item.to)
      assert.is_true(item.permitted)
      assert.is_false(item.allowed)
      assert.same({ "Why?" }, item.messages)
    end)

    it("that fails is one transition that is not allowed", function()
      local id = claim { amount = "x" }
      local item = named(id, "review", "?permissions=claim.cancel")
      assert.is_false(item.allowed)
      assert.truthy(item.messages[1]:find("claim.lua:", 1, true))
      assert.is_true(named(id, "cancel", "?permissions=claim.cancel").allowed)
    end)

    it("is explained", function()
      local id = claim { amount = 500 }
      local answer = http.expect(statute.client:post("/v1/entities/claim/" .. id .. "/transitions?explain=true",
        { transition = "review" }), 422, "guard_rejected")
      assert.equal("the choice 'review'", answer.explanation.rules[1].rule)
      assert.equal("allowed", answer.explanation.rules[1].outcome)
    end)
  end)

  describe("that is internal", function()
    it("no request takes, whatever it says", function()
      for _, request in ipairs {
        { transition = "settle" }, { to = "SETTLED" }, { to = "LAPSED", reason = "system_auto" },
        { to = "LAPSED", reason = "timer" },
      } do
        request.options = { skip_permissions = true }
        local refused = http.expect(move(claim { lapse = false }, request), 409, "invalid_transition")
        for _, state in ipairs(refused.allowed) do assert.is_nil(state:match("^SETTLED$") or state:match("^LAPSED$")) end
        request.actor = BOSS
        http.expect(move(claim(), request), 409, "invalid_transition")
      end
      for _, item in ipairs(list(claim(), "?permissions=*")) do assert.is_nil(tostring(item.to):match("SETTLED")) end
    end)

    it("an effect takes", function()
      local id = claim()
      statute:create("payment", "for-" .. id, { claim = id })
      http.expect(statute:move("payment", "for-" .. id, { to = "PAID" }), 200)
      local read = statute:read("claim", id).json
      assert.equal("SETTLED", read.state)
      assert.equal("settle", read.data.by)
      assert.equal("settle", last_record(id).transition)
    end)

    it("a timer takes", function()
      local id = claim { lapse = true }
      require("tests.support.eventually")(function() return statute:read("claim", id).json.state == "LAPSED" end)
    end)
  end)

  describe("in a batch and in an AuthZEN search", function()
    it("is taken by each member", function()
      local ids = { claim { amount = 5 }, claim { amount = 500, why = "x" } }
      local answer = http.expect(statute.client:post("/v1/batches", { machine = "claim", ids = ids, transition = "review", actor = BOSS }), 200)
      assert.equal(2, answer.succeeded)
      assert.equal("APPROVED", statute:read("claim", ids[1]).json.state)
      assert.equal("REJECTED", statute:read("claim", ids[2]).json.state)
      assert.equal("review", last_record(ids[1]).transition)
    end)

    it("is found when it is allowed, by its name", function()
      local id = claim { amount = 5 }
      local answer = http.expect(statute.client:post("/access/v1/search/action", {
        subject = { type = "user", id = "ann", properties = { permissions = { "claim.approve", "claim.cancel" } } },
        resource = { type = "claim", id = id } }), 200)
      local names = {}
      for i, action in ipairs(answer.results) do names[i] = action.name end
      table.sort(names)
      assert.same({ "approve", "cancel", "review" }, names)
    end)
  end)
end)
