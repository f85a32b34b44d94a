-- Who may create and change data, and which data: create, update, a state's update, immutable, editable_in, the permit of a
-- field, accepts. PATCH, creations and what comes with a transition are bound; effects are not.
local http   = require "tests.support.http"
local json   = require "tests.support.json"
local server = require "tests.support.server"

local REQUISITION = [[
local function mine(actor, data) return actor.id == data.requester, "Only the requester" end
return {
  machine "requisition" {
    initial = "DRAFT",
    create  = { permit = "req.write", guard = function(r) return r.title ~= nil, "Give it a title" end },
    update  = { permit = { "req.write", mine } },
    fields  = {
      title       = "string",
      requester   = { type = "string", immutable = true },
      amount      = { type = "integer", default = 0, editable_in = { "DRAFT" } },
      budget      = { type = "string", permit = any { "req.budget", function(a) return a.id == "cfo", "ask the cfo" end } },
      approved_by = { type = "string", editable_in = {} },
      note        = "string",
    },
    prepare = function(r, ctx)
      if ctx.from == nil then r.requester = ctx.actor and ctx.actor.id end
      return r
    end,
    states = {
      DRAFT     = { to = { SUBMITTED = { name = "submit", permit = mine } } },
      SUBMITTED = {
        update = { permit = "req.annotate", deny = function(_, r, ctx) return ctx.patch.title ~= nil, "The title stands" end },
        to = { APPROVED = {
          name = "approve", permit = "req.approve", accepts = { "note" },
          deny = function(actor, r) return actor.id == r.requester, "Not your own" end,
          effect = function(_, ctx) return { set = { approved_by = ctx.actor.id, amount = 1000 } } end,
        } },
      },
      APPROVED  = { update = { guard = function() return false, "It is approved" end } },
    },
  },
  roles { clerk = { "site.edit" } },
  machine "site" { initial = "A", within = "tenant", create = { permit = "site.edit" }, update = { permit = "site.edit" },
                   read = { permit = "site.edit" }, states = { A = {} } },
  machine "open" { initial = "A", states = { A = { to = { B = true } }, B = { final = true } } },
}
]]

local function who(id, ...) return { id = id, permissions = { ... } } end
local ANN, BOB = who("ann", "req.write"), who("bob", "req.write", "req.approve", "req.annotate")
local BOSS = who("boss", "*")

describe("data", function()
  local statute, count = nil, 0

  setup(function() statute = server.start { policies = { ["requisition.lua"] = REQUISITION } } end)
  teardown(function() statute:stop() end)

  local function create(request) return statute.client:post("/v1/entities/requisition", request) end
  local function draft(data)
    count = count + 1
    local more = { title = "Pens" }
    for k, v in pairs(data or {}) do more[k] = v end
    http.expect(create { id = "r" .. count, data = more, actor = ANN }, 201)
    return "r" .. count
  end
  local function patch(id, data, actor) return statute.client:patch("/v1/entities/requisition/" .. id, { data = data, actor = actor }) end
  local function move(id, request) return statute:move("requisition", id, request) end
  local function submitted(data)
    local id = draft(data)
    http.expect(move(id, { transition = "submit", actor = ANN }), 200)
    return id
  end
  local function read(id) return statute:read("requisition", id).json end
  local function last(id)
    local items = http.expect(statute.client:get("/v1/entities/requisition/" .. id .. "/history"), 200).items
    return items[#items]
  end

  it("are created by those who may, when the guard allows", function()
    local refused = http.expect(create { data = { title = "x" }, actor = who("eve", "none") }, 403, "permission_denied")
    assert.same({ "req.write" }, refused.missing_permissions)
    http.expect(create { data = { title = "x" } }, 403, "permission_denied")
    refused = http.expect(create { data = {}, actor = ANN }, 422, "guard_rejected")
    assert.same({ "Give it a title" }, refused.messages)
    assert.equal("ann", read(draft()).data.requester)
  end)

  it("are imported as they are", function()
    http.expect(create { id = "old", state = "APPROVED", data = { approved_by = "x", amount = 5 } }, 201)
    assert.equal("x", read("old").data.approved_by)
  end)

  it("are changed by those who may, and a refusal is in the history", function()
    local id = draft()
    http.expect(patch(id, { title = "Ink" }, ANN), 200)
    local refused = http.expect(patch(id, { title = "Gold" }, BOB), 403, "permission_denied")
    assert.truthy(refused.detail:find("Only the requester", 1, true))
    http.expect(patch(id, { title = "Gold" }), 403, "permission_denied")
    assert.equal("Ink", read(id).data.title)
    assert.equal("permission_denied", last(id).error_code)
  end)

  it("are not made one's own on the way to a transition", function()
    local id = draft()
    local refused = http.expect(patch(id, { requester = "bob" }, who("bob", "*")), 403)
    assert.equal("permission_denied", refused.code)
    refused = http.expect(move(id, { transition = "submit", actor = BOB, data = { requester = "bob" } }), 403, "permission_denied")
    assert.truthy(refused.detail:find("Only the requester", 1, true))
    refused = http.expect(patch(id, { requester = "bob" }, ANN), 422, "validation_failed")
    assert.same({ requester = "is set at creation and cannot be changed" }, refused.errors)
    assert.equal("ann", read(id).data.requester)
  end)

  it("are changed in a state by its own update, which may deny", function()
    local id = submitted()
    http.expect(patch(id, { note = "hm" }, BOB), 200)
    http.expect(patch(id, { note = "hm" }, ANN), 403, "permission_denied")
    local refused = http.expect(patch(id, { title = "x" }, BOSS), 403, "permission_denied")
    assert.equal("states.SUBMITTED.update.deny", refused.denied_by)
    assert.equal("The title stands", refused.detail)
  end)

  it("of a state whose update refuses are fixed", function()
    local id = submitted()
    http.expect(move(id, { transition = "approve", actor = BOB }), 200)
    local refused = http.expect(patch(id, { note = "x" }, BOSS), 422, "guard_rejected")
    assert.same({ "It is approved" }, refused.messages)
  end)

  it("that are editable in some states are not changed in others, by PATCH or with a transition", function()
    local id = draft { amount = 5 }
    http.expect(patch(id, { amount = 6 }, ANN), 200)
    http.expect(move(id, { transition = "submit", actor = ANN, data = { amount = 7 } }), 200)
    local refused = http.expect(patch(id, { amount = 900000 }, BOB), 422, "validation_failed")
    assert.same({ amount = "cannot be changed in 'SUBMITTED', only in 'DRAFT'" }, refused.errors)
    http.expect(patch(id, { amount = 7, note = "as before" }, BOB), 200)
    assert.equal(7, read(id).data.amount)
  end)

  it("that no request may set are set by effects", function()
    http.expect(create { data = { title = "x", approved_by = "ann" }, actor = ANN }, 422, "validation_failed")
    local id = submitted()
    http.expect(patch(id, { approved_by = "bob" }, BOB), 422, "validation_failed")
    local done = http.expect(move(id, { transition = "approve", actor = BOB }), 200)
    assert.equal("bob", done.data.approved_by)
    assert.equal(1000, done.data.amount)
  end)

  it("with a permit of their own are changed by those who have it", function()
    local id = draft()
    local refused = http.expect(patch(id, { budget = "it" }, ANN), 403, "permission_denied")
    assert.same({ "req.budget" }, refused.missing_permissions)
    assert.truthy(refused.detail:find("'budget'", 1, true))
    assert.is_not_nil(refused.errors.budget)
    http.expect(patch(id, { budget = "it" }, who("ann", "req.write", "req.budget")), 200)
    http.expect(move(id, { transition = "submit", actor = ANN, data = { budget = "hr" } }), 403, "permission_denied")
    http.expect(move(id, { transition = "submit", actor = ANN, data = { budget = "it" } }), 200)
    http.expect(patch(id, { budget = "hr" }, who("cfo", "req.write")), 403, "permission_denied") -- not the requester
    http.expect(create { data = { title = "x", budget = "it" }, actor = ANN }, 201) -- a creation sets, it changes nothing
  end)

  it("that a transition does not accept do not come with it", function()
    local id = submitted { amount = 10 }
    local refused = http.expect(move(id, { transition = "approve", actor = BOB, data = { amount = 900000, note = "fine" } }),
      422, "validation_failed")
    assert.is_not_nil(refused.errors.amount)
    assert.is_nil(refused.errors.note)
    http.expect(move(id, { transition = "approve", actor = BOB, data = { title = "x" } }), 422, "validation_failed")
    http.expect(move(id, { transition = "approve", actor = BOB, data = { note = "fine" } }), 200)
  end)

  it("keep four eyes apart whatever is patched before", function()
    local carl = who("carl", "req.write", "req.approve", "req.annotate")
    http.expect(create { id = "own", data = { title = "x" }, actor = carl }, 201)
    http.expect(statute:move("requisition", "own", { transition = "submit", actor = carl }), 200)
    http.expect(patch("own", { requester = "somebody" }, carl), 422, "validation_failed")
    local refused = http.expect(move("own", { transition = "approve", actor = carl }), 403, "permission_denied")
    assert.equal("Not your own", refused.detail)
  end)

  it("are changed and read by a role in its own tenant only", function()
    local function clerk(within) return { id = "c", roles = { { role = "clerk", within = within } } } end
    http.expect(statute.client:post("/v1/entities/site", { id = "s1", data = { tenant = "acme" }, actor = clerk "other" }), 403, "permission_denied")
    http.expect(statute.client:post("/v1/entities/site", { id = "s1", data = { tenant = "acme" }, actor = clerk "acme" }), 201)
    local path = "/v1/entities/site/s1"
    http.expect(statute.client:patch(path, { data = { note = 1 }, actor = clerk "other" }), 403, "permission_denied")
    http.expect(statute.client:patch(path, { data = { tenant = "other" }, actor = clerk "other" }), 403, "permission_denied")
    http.expect(statute.client:patch(path, { data = { note = 1 }, actor = clerk "acme" }), 200)
    local function as(within) return "?actor=" .. http.escape(json.encode(clerk(within))) end
    for _, part in ipairs { "", "/history", "/transitions" } do
      http.expect(statute.client:get(path .. part .. as "acme"), 200)
      http.expect(statute.client:get(path .. part .. as "other"), 403, "permission_denied")
    end
    assert.equal(1, #http.expect(statute.client:get("/v1/entities/site" .. as "acme"), 200).items)
    assert.equal(0, #http.expect(statute.client:get("/v1/entities/site" .. as "other"), 200).items)
  end)

  it("of a machine that says nothing of it are changed by everybody, as before", function()
    http.expect(statute.client:post("/v1/entities/open", { id = "o" }), 201)
    http.expect(statute:move("open", "o", { to = "B", data = { x = 1 } }), 200)
    http.expect(statute.client:patch("/v1/entities/open/o", { data = { x = 2 } }), 200)
  end)

  it("are described with their rules", function()
    local machine = http.expect(statute.client:get("/v1/machines/requisition"), 200)
    assert.same({ "req.write" }, machine.create.required_permissions)
    assert.is_true(machine.create.guarded)
    assert.is_true(machine.update.permit_function)
    local fields = {}
    for _, field in ipairs(machine.fields) do fields[field.name] = field end
    assert.is_true(fields.requester.immutable)
    assert.same({ "DRAFT" }, fields.amount.editable_in)
    assert.is_not_nil(fields.budget.permit)
  end)
end)
