local eventually = require "tests.support.eventually"
local http       = require "tests.support.http"
local server     = require "tests.support.server"

local function lamp(guard)
  return ([[
return machine "lamp" {
  initial = "OFF",
  states = { OFF = { to = { ON = { guard = function(data, ctx) %s end } } }, ON = { final = true } },
}
]]):format(guard)
end

describe("policies", function()
  local statute

  before_each(function() statute = server.start { policies = { ["lamp.lua"] = lamp "return false, 'first rule'" } } end)
  after_each(function() statute:stop() end)

  local function generation() return http.expect(statute.client:get("/v1/policies"), 200).generation end
  local function reload() return statute.client:post("/v1/policies/reload") end

  -- What the rule in force says, asked without changing anything.
  local function rule()
    local answer = statute:move("lamp", "l", { to = "ON", options = { dry_run = true } })
    return answer.status == 200 and "allowed" or answer.json.messages and answer.json.messages[1] or answer.json.code
  end

  it("are named by the SHA-256 of their content", function()
    local listed = http.expect(statute.client:get("/v1/policies"), 200)
    assert.truthy(listed.generation:match("^" .. ("%x"):rep(64) .. "$"))
    assert.truthy(listed.loaded_at:match("Z$"))
    assert.equal(1, #listed.generations)
    local other = server.start { policies = { ["lamp.lua"] = lamp "return false, 'first rule'" } }
    assert.equal(listed.generation, http.expect(other.client:get("/v1/policies"), 200).generation)
    other:stop()
  end)

  it("change when a file changed and a reload is asked for", function()
    statute:create("lamp", "l", {})
    local before = generation()
    assert.equal("first rule", rule())
    statute:write_policy("lamp.lua", lamp "return false, 'second rule'")
    http.expect(reload(), 200)
    assert.equal("second rule", rule())
    assert.not_equal(before, generation())
    local listed = http.expect(statute.client:get("/v1/policies"), 200).generations
    assert.is_true(#listed >= 2)
  end)

  it("change by themselves when a file changed", function()
    statute:create("lamp", "l", {})
    statute:write_policy("lamp.lua", lamp "return true")
    eventually(function() return rule() == "allowed" end, 10, "the new rule is in force")
  end)

  it("change on SIGHUP", function()
    statute:create("lamp", "l", {})
    statute:write_policy("lamp.lua", lamp "return false, 'after the signal'")
    statute:signal("HUP")
    eventually(function() return rule() == "after the signal" end, 10, "the new rule is in force")
  end)

  it("that are new or gone are noticed", function()
    statute:write_policy("more/fan.lua", [[ return machine "fan" { initial = "A", states = { A = { final = true } } } ]])
    http.expect(reload(), 200)
    statute:create("fan", "f", {})
    statute:remove_policy("more/fan.lua")
    http.expect(statute.client:post("/v1/policies/reload", { force = true }), 200)
    http.expect(statute:read("fan", "f"), 404, "unknown_machine")
  end)

  it("stay the same generation when nothing changed", function()
    local before = generation()
    http.expect(reload(), 200)
    assert.equal(before, generation())
  end)

  it("that are bad are refused with every problem, and the old generation stays", function()
    statute:create("lamp", "l", {})
    local before = generation()
    statute:write_policy("lamp.lua", lamp "return true")
    statute:write_policy("broken.lua", "local x = \nreturn machine 'broken'\n{")
    statute:write_policy("typo.lua", [[
return machine "typo" {
  initial = "NOWHERE",
  stats = {},
  states = {
    A = { to = { B = { permitt = "x" } } },
  },
}
]])
    local problem = http.expect(reload(), 422, "policy_invalid")
    local by_file = {}
    for _, item in ipairs(problem.problems) do
      assert.equal("integer", math.type(item.line))
      assert.is_string(item.message)
      by_file[item.file] = (by_file[item.file] or 0) + 1
    end
    assert.is_true((by_file["broken.lua"] or 0) >= 1)
    assert.is_true((by_file["typo.lua"] or 0) >= 3, "initial, stats, permitt and B are wrong")
    assert.is_nil(by_file["lamp.lua"])
    assert.equal(before, generation())
    assert.equal("first rule", rule())
    statute:remove_policy("broken.lua")
    statute:remove_policy("typo.lua")
    http.expect(reload(), 200)
    assert.equal("allowed", rule())
  end)

  it("name the line of each problem", function()
    statute:write_policy("bad.lua", "-- one\n-- two\nlocal x = = 3\n")
    local problem = http.expect(reload(), 422, "policy_invalid")
    assert.equal("bad.lua", problem.problems[1].file)
    assert.equal(3, problem.problems[1].line)
  end)

  it("that declare a machine twice are refused", function()
    statute:write_policy("twin.lua", lamp "return true")
    local problem = http.expect(reload(), 422, "policy_invalid")
    assert.truthy(problem.detail:find("lamp", 1, true) or problem.problems[1].message:find("lamp", 1, true))
  end)

  it("do not see specs, and reach helpers through require only", function()
    statute:write_policy("lamp_spec.lua", "this is no Lua at all")
    statute:write_policy("lib/notes.lua", "return { text = 'from the helper' }")
    statute:write_policy("lamp.lua", "local notes = require 'lib.notes'\n" .. lamp "return false, notes.text")
    -- a spec that cannot be read must not stop the machines, or must be named as the problem
    local answer = reload()
    if answer.status == 422 then
      assert.equal("lamp_spec.lua", answer.json.problems[1].file)
      statute:remove_policy("lamp_spec.lua")
      http.expect(reload(), 200)
    end
    statute:create("lamp", "l", {})
    assert.equal("from the helper", rule())
  end)

  it("are the ones that a record names for ever", function()
    statute:create("lamp", "l", {})
    local first = generation()
    statute:write_policy("lamp.lua", lamp "return true")
    http.expect(reload(), 200)
    http.expect(statute:move("lamp", "l", "ON"), 200)
    local records = statute:history("lamp", "l")
    assert.equal(first, records[1].policy)
    assert.equal(generation(), records[2].policy)
  end)

  it("reloaded while requests come in fail none of them", function()
    for i = 1, 20 do statute:create("lamp", "l" .. i, {}) end
    local count, reloads = 0, 0
    local answers = http.parallel(statute.port, function(client)
      count = count + 1
      if client == 1 and reloads < 10 then
        reloads = reloads + 1
        statute:write_policy("lamp.lua", lamp(("return false, 'rule %d'"):format(reloads)))
        return { method = "POST", path = "/v1/policies/reload", body = {} }
      end
      if client == 1 or count > 400 and reloads == 10 then return nil end
      return { method = "POST", path = ("/v1/entities/lamp/l%d/transitions"):format(count % 20 + 1), body = { to = "ON" } }
    end, 6)
    for _, answer in ipairs(answers) do
      if answer.request.path:find("reload", 1, true) then
        http.expect(answer, 200)
      else
        http.expect(answer, 422, "guard_rejected")
      end
    end
    assert.equal(10, reloads)
  end)
end)
