local http   = require "tests.support.http"
local server = require "tests.support.server"

local PARENT = [[
local function stamp(data, ctx) return { set = { opened_at = time.format(ctx.now), steps = { ctx.from, ctx.to } }, unset = { "draft" } } end
local function children(data, ctx)
  local follow = {}
  for _, id in ipairs(data.children or {}) do
    follow[#follow + 1] = { machine = "child", id = id, to = data.child_state or "AWAKE", comments = "Parent woke" }
  end
  return { follow = follow }
end
local function makes(data)
  local create = {}
  for _, id in ipairs(data.makes or {}) do create[#create + 1] = { machine = "child", id = id, data = { made_by = data.name } } end
  return { create = create }
end
return {
  machine "parent" {
    initial = "NEW",
    states = {
      NEW    = { on_exit = function() return { set = { left_new = true } } end,
                 to = { OPEN = { effect = stamp }, BUSY = true, LOOP = true } },
      OPEN   = { on_enter = function(data) return { set = { seen_by_enter = data.opened_at ~= nil } } end, to = {} },
      BUSY   = { on_enter = function(data, ctx)
                   local all = makes(data)
                   all.follow = children(data).follow
                   all.emit = { { type = "parent.busy", data = { id = ctx.id } } }
                   return all
                 end },
      LOOP   = { on_enter = function(data, ctx) return { follow = { { machine = "echo", id = "a", to = "A" } } } end },
    },
  },
  machine "child" {
    initial = "ASLEEP",
    states = {
      ASLEEP = { to = { AWAKE = { permit = "child.wake", guard = function(c) return c.dead ~= true, "It is dead" end } } },
      AWAKE  = { to = { ASLEEP = true } },
    },
  },
  machine "echo" {
    initial = "SILENT",
    states = {
      SILENT = { to = { A = true } },
      A = { on_enter = function() return { follow = { { machine = "echo", id = "a", to = "B" } } } end, to = { B = true } },
      B = { on_enter = function() return { follow = { { machine = "echo", id = "a", to = "A" } } } end, to = { A = true } },
    },
  },
}
]]

describe("effects", function()
  local statute, parents = nil, 0

  setup(function() statute = server.start { policies = { ["parent.lua"] = PARENT } } end)
  teardown(function() statute:stop() end)

  local function parent(data)
    parents = parents + 1
    return statute:create("parent", "p" .. parents, data or {}).id
  end

  it("set and unset data, in the order exit, transition, enter", function()
    local id = parent { draft = true, keep = 1 }
    local data = http.expect(statute:move("parent", id, "OPEN"), 200).data
    assert.equal(1, data.keep)
    assert.is_nil(data.draft)
    assert.is_true(data.left_new)
    assert.is_true(data.seen_by_enter)
    assert.same({ "NEW", "OPEN" }, data.steps)
    assert.truthy(data.opened_at:match("Z$"))
    assert.same(data, statute:read("parent", id).json.data)
  end)

  it("move other entities along, without asking the actor for their permissions", function()
    statute:create("child", "c1", {})
    statute:create("child", "c2", {})
    http.expect(statute:move("parent", parent { children = { "c1", "c2" } }, "BUSY"), 200)
    for _, id in ipairs { "c1", "c2" } do
      local child = statute:read("child", id).json
      assert.equal("AWAKE", child.state)
      assert.equal(2, child.version)
      local record = statute:history("child", id)[2]
      assert.equal("Parent woke", record.comments)
      assert.equal("system_auto", record.reason)
    end
  end)

  it("create entities", function()
    http.expect(statute:move("parent", parent { name = "Eve", makes = { "c3", "c4" } }, "BUSY"), 200)
    for _, id in ipairs { "c3", "c4" } do
      local child = http.expect(statute:read("child", id), 200)
      assert.equal("ASLEEP", child.state)
      assert.equal("Eve", child.data.made_by)
    end
  end)

  it("create first and follow then", function()
    http.expect(statute:move("parent", parent { makes = { "c5" }, children = { "c5" } }, "BUSY"), 200)
    assert.equal("AWAKE", statute:read("child", "c5").json.state)
  end)

  it("happen all or not at all", function()
    statute:create("child", "c6", {})
    statute:create("child", "c7", { dead = true })
    local id = parent { makes = { "c8" }, children = { "c6", "c7" } }
    local answer = statute:move("parent", id, "BUSY")
    http.expect(answer, 422, "guard_rejected")
    assert.truthy(answer.json.detail:find("c7", 1, true))
    local untouched = statute:read("parent", id).json
    assert.equal("NEW", untouched.state)
    assert.equal(1, untouched.version)
    assert.is_nil(untouched.data.left_new)
    assert.equal("ASLEEP", statute:read("child", "c6").json.state)
    assert.equal(1, #statute:history("child", "c6"))
    http.expect(statute:read("child", "c8"), 404, "entity_not_found")
    assert.is_false(statute:history("parent", id)[2].success)
  end)

  it("on what is not there are refused as a whole", function()
    local id = parent { children = { "nobody" } }
    local refused = http.expect(statute:move("parent", id, "BUSY"), 422, "guard_rejected")
    assert.same({ refused.detail }, refused.messages)
    assert.truthy(refused.detail:find("nobody", 1, true))
    assert.equal("NEW", statute:read("parent", id).json.state)
  end)

  it("that make what exists already are refused as a whole", function()
    statute:create("child", "c9", {})
    local id = parent { makes = { "c10", "c9" } }
    http.expect(statute:move("parent", id, "BUSY"), 422, "guard_rejected")
    http.expect(statute:read("child", "c10"), 404, "entity_not_found")
  end)

  it("do nothing in a dry run", function()
    statute:create("child", "c11", {})
    http.expect(statute:move("parent", parent { makes = { "c12" }, children = { "c11" } },
      { to = "BUSY", options = { dry_run = true } }), 200)
    assert.equal("ASLEEP", statute:read("child", "c11").json.state)
    http.expect(statute:read("child", "c12"), 404, "entity_not_found")
  end)

  it("that never end are stopped, and nothing has happened", function()
    statute:create("echo", "a", {})
    http.expect(statute:move("parent", parent(), "LOOP"), 500, "policy_error")
    assert.equal(1, statute:read("echo", "a").json.version)
  end)

  it("see what the same request did before", function()
    -- both children in one request, the second is followed twice: there already, so nothing more happens
    statute:create("child", "c13", {})
    http.expect(statute:move("parent", parent { children = { "c13", "c13" } }, "BUSY"), 200)
    assert.equal(2, statute:read("child", "c13").json.version)
  end)
end)
