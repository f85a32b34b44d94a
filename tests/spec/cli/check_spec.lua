local json     = require "tests.support.json"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local GOOD = [[
return machine "door" {
  doc = "A door.", initial = "SHUT",
  states = { SHUT = { to = { OPEN = { name = "open", permit = "door.open" } } }, OPEN = { final = true } },
}
]]

describe("statute check", function()
  local directory

  before_each(function() directory = policies.temporary() end)
  after_each(function() policies.remove(directory) end)

  local function check(files, ...)
    return server.statute { "check", "--policies", policies.write(files, directory .. "/policies"), ... }
  end

  it("shows what good policies say", function()
    local status, out, err = check { ["door.lua"] = GOOD, ["roles.lua"] = [[ return roles { porter = { "door.*" } } ]] }
    assert.equal(0, status, out .. err)
    for _, word in ipairs { "door", "A door.", "SHUT", "OPEN", "door.open", "porter" } do assert.truthy(out:find(word, 1, true), word) end
  end)

  it("finds nothing wrong with the policies of this project", function()
    local status, out, err = server.statute { "check", "--policies", "policies" }
    assert.equal(0, status, out .. err)
    for _, machine in ipairs { "task", "work_order", "line_item", "ticket", "incident", "attendance" } do
      assert.truthy(out:find(machine, 1, true), machine)
    end
  end)

  it("shows timers, access, the directory, personal data and webhooks", function()
    local files = {
      ["door.lua"] = GOOD:gsub("SHUT = {", 'SHUT = { after = { delay = "30d", to = "OPEN", comments = "Left alone" },', 1),
      ["access.lua"] = [[return access "file" { doc = "A file.", actions = { read = "file.read", write = function() return true end } }]],
      ["directory.lua"] = [[return directory { subjects = { user = { ann = {}, bob = {} } }, resources = { file = { f1 = {} } } }]],
      ["pii.lua"] = [[return { pii { drop = { "password" }, mask = { phone = "last4" }, redact = { "email" } }, pii { machines = { "door" }, hash = { "badge" } } }]],
      ["hooks.lua"] = [[return webhooks { { url = "https://hooks.example/x", machines = { "door" }, events = { "transition.succeeded" }, secret = "DOOR_HOOK" } }]],
    }
    local status, out, err = check(files)
    assert.equal(0, status, out .. err)
    for _, words in ipairs { { "TIMER IN", "SHUT", "30d", "OPEN", "Left alone" }, { "file", "read", "file.read" }, { "write", "decided by a function" }, { "user: 2" },
      { "file: 1" },
      { "all machines", "password", "phone: last4", "email" }, { "door", "badge" }, { "https://hooks.example/x", "door", "transition.succeeded", "DOOR_HOOK" } } do
      for _, word in ipairs(words) do assert.truthy(out:find(word, 1, true), word .. " in\n" .. out) end
    end
    local shown = assert(json.decode((select(2, check(files, "--format", "json")))))
    assert.same({ "door.open", "file.read" }, shown.permissions)
    assert.equal("file", shown.access[1].type)
    assert.equal(2, shown.directory.subjects.user)
    assert.same({ "password" }, shown.pii[1].drop)
    assert.equal("DOOR_HOOK", shown.webhooks[1].secret)
    assert.equal("30d", shown.machines[1].states[2].after[1].delay)
  end)

  it("speaks JSON, too", function()
    local status, out = check({ ["door.lua"] = GOOD }, "--format", "json")
    assert.equal(0, status)
    local shown = assert(json.decode(out))
    assert.equal("door", shown.machines[1].name)
    assert.same({ "door.open" }, shown.permissions)
  end)

  describe("of a machine that has permissions and no `update`", function()
    local WARNED = [[
local lib = require "lib.owners"
local FIELD = "boss"
return machine "door" {
  initial = "SHUT",
  states = {
    SHUT = { to = { OPEN = { permit = function(actor, door) return actor.id == door.owner or actor.id == door["keeper"] end },
                    LOCKED = { permit = any { "door.lock", lib.is_tenant } } } },
    OPEN = { to = { SHUT = { deny = function(a, d) return d[FIELD] == a.id end } } },
    LOCKED = { final = true, update = { permit = "door.edit" } },
  },
}
]]
    local OWNERS = [[ return { is_tenant = function(actor, data) return actor.id == data.tenant end } ]]

    it("warns, and names the states and the fields that its permissions rely on", function()
      local status, out = check { ["door.lua"] = WARNED, ["lib/owners.lua"] = OWNERS }
      assert.equal(0, status)
      assert.truthy(out:find("door.lua:3: warning: machine 'door': it has permissions but no `update`", 1, true), out)
      assert.truthy(out:find("for every caller in 'OPEN', 'SHUT'; its permit functions rely on ", 1, true), out)
      for _, field in ipairs { "owner", "keeper", "tenant", "boss" } do assert.truthy(out:find("'" .. field .. "'", 1, true), field) end
    end)

    it("is a failure with --strict, and in JSON too", function()
      local status = check({ ["door.lua"] = WARNED, ["lib/owners.lua"] = OWNERS }, "--strict")
      assert.equal(1, status)
      local _, out = check({ ["door.lua"] = WARNED, ["lib/owners.lua"] = OWNERS }, "--format", "json")
      local warnings = json.decode(out).warnings
      assert.equal(1, #warnings)
      assert.equal("door.lua", warnings[1].file)
    end)

    it("does not warn of one that has", function()
      local status, out = check({ ["door.lua"] = GOOD:gsub("states =", 'update = { permit = "door.paint" }, states =', 1) }, "--strict")
      assert.equal(0, status)
      assert.is_nil(out:find("warning", 1, true))
      assert.truthy(out:find("update: door.paint", 1, true))
    end)
  end)

  -- what is wrong, and words of the message that must name it
  local BAD = {
    ["a machine without states"]     = { 'return machine "a" { initial = "A" }', "states" },
    ["a machine without an initial"] = { 'return machine "a" { states = { A = {} } }', "initial" },
    ["an initial that is no state"]  = { 'return machine "a" { initial = "B", states = { A = {} } }', "B" },
    ["a way to nowhere"]             = { 'return machine "a" { initial = "A", states = { A = { to = { B = true } } } }', "B" },
    ["an unknown machine key"]       = { 'return machine "a" { initial = "A", statess = {}, states = { A = {} } }', "statess" },
    ["an unknown state key"]         = { 'return machine "a" { initial = "A", states = { A = { final = true, entry = 1 } } }', "entry" },
    ["an unknown way key"]           = { 'return machine "a" { initial = "A", states = { A = { to = { A = { gard = 1 } } } } }', "gard" },
    ["a guard that is no function"]  = { 'return machine "a" { initial = "A", states = { A = { to = { A = { guard = "x" } } } } }', "guard" },
    ["a permit that is a number"]    = { 'return machine "a" { initial = "A", states = { A = { to = { A = { permit = 7 } } } } }', "permit" },
    ["a listed way without a verb"]  = { 'return machine "a" { initial = "A", states = { A = { to = { A = { { name = "x" }, {} } } } } }', "to.A[2]" },
    ["a verb twice in a list"]       = { 'return machine "a" { initial = "A", states = { A = { to = { A = { { name = "x" }, { name = "x" } } } } } }', "'x'" },
    ["a verb of * that is there"]    =
      { 'return machine "a" { initial = "A", states = { ["*"] = { to = { B = { name = "x" } } }, A = { to = { C = { name = "x" } } }, B = {}, C = {} } }', "'x'" },
    ["a key of * that is not to"]    = { 'return machine "a" { initial = "A", states = { ["*"] = { final = true }, A = {} } }', "final" },
    ["a * that leads to nowhere"]    = { 'return machine "a" { initial = "A", states = { ["*"] = { to = { Z = true } }, A = {} } }', "Z" },
    ["an initial that is *"]         = { 'return machine "a" { initial = "*", states = { ["*"] = { to = { A = true } }, A = {} } }', "*" },
    ["a choice without targets"]     = { 'return machine "a" { initial = "A", states = { A = { choose = { x = function() end } } } }', "choose" },
    ["a choice that is no function"] = { 'return machine "a" { initial = "A", states = { A = { to = { A = true }, choose = { x = "A" } } } }', "choose.x" },
    ["a choice that is a verb"]      = { 'return machine "a" { initial = "A", states = { A = { to = { A = { name = "x" } }, choose = { x = function() end } } } }', "'x'" },
    ["editable in an unknown state"] = { 'return machine "a" { initial = "A", fields = { x = { editable_in = { "AA" } } }, states = { A = {} } }', "AA" },
    ["an index of an object"]        = { 'return machine "a" { initial = "A", fields = { x = { type = "object", index = true } }, states = { A = {} } }', "index" },
    ["an update that says nothing"]  = { 'return machine "a" { initial = "A", update = {}, states = { A = {} } }', "update" },
    ["a read with a guard"]          = { 'return machine "a" { initial = "A", read = { guard = function() end }, states = { A = {} } }', "guard" },
    ["a create that is a string"]    = { 'return machine "a" { initial = "A", create = "x.y", states = { A = {} } }', "create" },
    ["accepts that is a string"]     = { 'return machine "a" { initial = "A", states = { A = { to = { A = { accepts = "x" } } } } }', "accepts" },
    ["an unknown type"]              = { 'return machine "a" { initial = "A", fields = { x = "text" }, states = { A = {} } }', "text" },
    ["a default that does not fit"]  = { 'return machine "a" { initial = "A", fields = { x = { type = "integer", default = "x" } }, states = { A = {} } }', "default" },
    ["a timer without a delay"]      = { 'return machine "a" { initial = "A", states = { A = { after = { to = "A" }, to = { A = true } } } }', "delay" },
    ["a timer with a bad delay"]     = { 'return machine "a" { initial = "A", states = { A = { after = { delay = "soon", to = "A" }, to = { A = true } } } }', "soon" },
    ["a timer to nowhere"]           = { 'return machine "a" { initial = "A", states = { A = { after = { delay = "1d", to = "Z" } } } }', "Z" },
    ["an unknown isolation"]         = { 'return machine "a" { initial = "A", isolation = "chaos", states = { A = {} } }', "chaos" },
    ["two ways with one verb"]       = { 'return machine "a" { initial = "A", states = { A = { to = { A = { name = "go" }, B = { name = "go" } } }, B = {} } }', "go" },
    ["a role that inherits nobody"]  = { 'return roles { a = { inherits = "ghost" } }', "ghost" },
    ["roles that inherit in a ring"] = { 'return roles { a = { inherits = "b" }, b = { inherits = "a" } }', "inherits" },
    ["a file that returns nothing"]  = { "local x = 1", "return" },
    ["a file that is no Lua"]        = { "local = 1", "expected" },
    ["a file that fails"]            = { 'error("oh no")', "oh no" },
    ["a missing helper"]             = { 'require "lib.nowhere"', "lib/nowhere.lua" },
    ["a helper outside"]             = { 'require "../secrets"', "secrets" },
    ["a global"]                     = { "x = 1", "x" },
    ["an unknown constructor"]       = { 'return machin "a" {}', "machin" },
  }

  for name, case in pairs(BAD) do
    it("finds " .. name, function()
      local status, out, err = check { ["bad.lua"] = case[1] }
      assert.equal(1, status, out .. err)
      local line = (out .. err):match("bad%.lua:[%d:]* [^\n]*")
      assert.is_string(line, out .. err)
      assert.truthy((out .. err):find(case[2], 1, true), out .. err)
    end)
  end

  it("finds every problem of every file at once", function()
    local status, out = check { ["a.lua"] = "local = 1", ["b.lua"] = BAD["an unknown machine key"][1], ["c.lua"] = GOOD,
                                ["d.lua"] = 'return machine "d" { initial = "X", colour = 1, states = { A = { to = { B = true } } } }' }
    assert.equal(1, status)
    local count = 0
    for file in out:gmatch("(%a)%.lua:%d+:") do
      count = count + 1
      assert.not_equal("c", file)
    end
    assert.is_true(count >= 5, out)
  end)

  it("exits with 3 when there is no such directory", function()
    local status, _, err = server.statute { "check", "--policies", directory .. "/nowhere" }
    assert.equal(3, status)
    assert.truthy(err:find("nowhere", 1, true))
  end)

  it("draws a machine", function()
    local folder = policies.write({ ["door.lua"] = GOOD }, directory .. "/policies")
    local status, out, err = server.statute { "graph", "--policies", folder, "door" }
    assert.equal(0, status, err)
    assert.truthy(out:find("SHUT", 1, true))
  end)
end)
