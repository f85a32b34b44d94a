-- What `access` says of all actions and all types, and what a directory knows: groups of subjects, entries for policies.
local http     = require "tests.support.http"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local SOURCE = [[
local function is_own(subject, resource) return subject.id == resource.properties.owner, "not yours" end
return {
  roles { reader = { "doc.read" }, writer = { inherits = "reader", "doc.write" }, keeper = { "any.thing" }, worker = { "job.start" } },
  access "doc" {
    deny    = function(_, resource) return resource.properties.sealed, "it is sealed" end,
    actions = { read = any { "doc.read", is_own }, write = { "doc.write", is_own },
                drop = { permit = "doc.write", deny = { function(subject) return subject.id == "eve" end } },
                burn = { "doc.write", deny = function(_, _, ctx) return ctx.context.dry end },
                ["*"] = "doc.admin" },
  },
  access "*" { actions = { read = "any.read", ["*"] = "any.thing" } },
  access "job" { actions = { audit = "job.audit", ["*"] = "job.other" } },
  machine "job" { initial = "OPEN", states = {
    OPEN = { to = { DONE = { name = "finish", permit = "job.start" },
                    LATE = { guard = function(job, ctx)
                      local user, site = ctx:find("user", job.owner), ctx:find("site", "hq")
                      return user ~= nil and user.data.level > 2 and site.properties.open and user.type == "user" and ctx:find("user", "none") == nil, "no"
                    end } } },
    DONE = {}, LATE = {} } },
  directory {
    subjects = {
      user  = { ann = { groups = { "staff" }, level = 3 }, bob = { groups = "night", level = 1 }, eve = { roles = { "writer" } } },
      group = { staff = { roles = { "writer" }, groups = { "all" } }, night = { roles = { { role = "worker", within = "x" } } },
                all = { permissions = { "doc.admin" }, groups = { "staff" }, role = "worker" } },
    },
    resources = { site = { hq = { open = true } }, doc = { d1 = { owner = "ann" }, d2 = { owner = "eve", sealed = true } } },
  },
}
]]

describe("access and directory", function()
  local statute
  setup(function() statute = server.start { policies = { ["all.lua"] = SOURCE } } end)
  teardown(function() statute:stop() end)

  local function post(path, question) return http.expect(statute.client:post("/access/v1/" .. path, question), 200) end
  local function answer(id, action, resource, more)
    local question = { subject = { type = "user", id = id }, action = { name = action }, resource = resource }
    for name, value in pairs(more or {}) do question[name] = value end
    return post("evaluation", question)
  end
  local function ask(...) return answer(...).decision end
  local D1, D2 = { type = "doc", id = "d1" }, { type = "doc", id = "d2" }

  it("mix names, functions, any and deny in actions", function()
    assert.is_true(ask("ann", "read", D1))
    assert.is_true(ask("ann", "write", D1))
    assert.is_false(ask("eve", "write", D1))
    assert.is_true(ask("eve", "read", D1))
    assert.is_false(ask("bob", "read", D1))
    local refused = answer("eve", "read", D2).context
    assert.equal("deny", refused.denied_by)
    assert.equal("it is sealed", refused.reason)
    assert.is_true(ask("ann", "drop", D1))
    assert.equal("actions.drop.deny[1]", (answer("eve", "drop", D1).context.denied_by:gsub("deny$", "deny[1]")))
    assert.is_true(ask("ann", "burn", D1))
    assert.equal("actions.burn.deny", answer("ann", "burn", D1, { context = { dry = true } }).context.denied_by)
    assert.same({ "doc.write" }, answer("bob", "write", D1).context.missing_permissions)
  end)

  it("know any other action, and any other type", function()
    assert.is_true(ask("ann", "shred", D1))
    assert.is_false(ask("eve", "shred", D1))
    local thing = { type = "thing", id = "1" }
    local keeper = { subject = { type = "user", id = "zoe", properties = { roles = { "keeper" } } } }
    assert.is_true(ask("", "whatever", thing, keeper))
    assert.is_false(ask("", "read", thing, keeper))
    assert.is_false(ask("ann", "whatever", thing))
  end)

  it("leave a machine its own transitions", function()
    statute:create("job", "j1", {})
    local job = { type = "job", id = "j1" }
    assert.is_true(ask("ann", "DONE", job))
    assert.is_true(ask("ann", "finish", job))
    assert.is_false(ask("ann", "paint", job))
    local other = { subject = { type = "user", id = "zoe", properties = { permissions = { "job.other" } } } }
    assert.is_true(ask("", "paint", job, other))
    assert.is_false(ask("", "DONE", job, other))
  end)

  it("give subjects what their groups hold, and the groups of these", function()
    local question = { subject = { type = "user" }, action = { name = "write" }, resource = D1 }
    local found = post("search/subject", question).results
    assert.equal(1, #found)
    assert.equal("ann", found[1].id)
    local brought = { subject = { type = "user", id = "new", properties = { groups = { "all", "unknown" } } } }
    assert.is_true(ask("", "shred", D1, brought))
    assert.is_false(ask("bob", "shred", D1))
  end)

  it("list no action that is called '*'", function()
    local names = {}
    for _, item in ipairs(post("search/action", { subject = { type = "user", id = "ann" }, resource = D1 }).results) do names[#names + 1] = item.name end
    assert.equal("burn drop read write", table.concat(names, " "))
  end)

  it("are found by policies", function()
    statute:create("job", "j2", { owner = "ann" })
    statute:create("job", "j3", { owner = "bob" })
    http.expect(statute:move("job", "j2", { to = "LATE" }), 200)
    http.expect(statute:move("job", "j3", { to = "LATE" }), 422, "guard_rejected")
  end)
end)

describe("a policy that cannot mean what it says", function()
  local function check(source)
    local directory = policies.write { ["p.lua"] = source }
    local status, out, err = server.statute { "check", "--policies", directory }
    policies.remove(directory)
    return status, out .. err
  end
  local function machine(permit) return ('return machine "m" { initial = "A", states = { A = { to = { B = { %s } } }, B = {} } }'):format(permit) end

  for name, case in pairs {
    ["a denial in a role"] = { [[return roles { r = { "!doc.delete" } }]], "write except = { 'doc.delete' }" },
    ["a denial by minus"] = { [[return roles { r = { "-doc.delete" } }]], "write except = { 'doc.delete' }" },
    ["a denial by word"] = { [[return roles { r = { "deny:doc.delete" } }]], "write except = { 'doc.delete' }" },
    ["a denial in a permit"] = { machine 'permit = { "a.b", "!a.c" }', "to refuse an actor, write deny = function(actor, data, ctx)" },
    ["a denial in an access"] = { [[return access "x" { actions = { read = "-x.read" } }]], "to refuse an actor, write deny = function" },
    ["a denial in a directory"] = { [[return directory { subjects = { user = { u = { permissions = { "!x" } } } } }]], "give a role with `except`" },
    ["a grant and its exception"] = { [[return roles { r = { "a.b", except = "a.*" } }]], "it lists 'a.b', but `except`" },
    ["a group that is not listed"] = { [[return directory { subjects = { user = { u = { groups = "gone" } } } }]], "there is no group 'gone'" },
    ["a role without its tenant"] = { [[return directory { subjects = { user = { u = { roles = { { role = "x" } } } } } }]], "roles: each item must be" },
    ["an empty any"] = { machine "permit = any {}", "any takes one list of permissions" },
    ["an any with keys"] = { machine 'permit = any { "a", b = 1 }', "a list of permissions, without keys or gaps" },
    ["a number in a permit"] = { machine 'permit = any { "a", { 7 } }', "permit[2][1]: it must be a permission" },
    ["a deny that is a name"] = { machine 'deny = "a.b"', "deny: it must be a function (actor, data, ctx)" },
    ["a list in a circle"] = { "local t = { 'a' }; t[2] = t; " .. machine "permit = t", "nested at most 16 deep" },
    ["a tenant that is a number"] = { [[return machine "m" { initial = "A", within = "t", fields = { t = "integer" }, states = { A = {} } }]], "must be a string" },
    ["an access that permits by denying"] = { [[return access "x" { actions = { read = { deny = function() end } } }]], "names no permission" },
  } do
    it("is refused, with what to write instead: " .. name, function()
      local status, said = check(case[1])
      assert.equal(1, status, said)
      assert.truthy(said:find(case[2], 1, true), said)
    end)
  end

  it("but one with all of it is shown whole", function()
    local status, said = check(SOURCE .. "")
    assert.equal(0, status, said)
    status, said = check(machine 'permit = { "a.b", any { "c.d", function() return true end } }, deny = function() end')
    assert.equal(0, status, said)
    assert.truthy(said:find("a.b, (c.d or by function), unless denied", 1, true), said)
  end)
end)
