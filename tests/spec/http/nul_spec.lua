-- What a policy says goes into the record of the attempt, whatever bytes are in it; and the record can be read again.
local http     = require "tests.support.http"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local MUTTERS = [[
local NUL = "a\0b\xFFc"
local function no() return false, NUL end
return machine "mutters" {
  initial = "A",
  fields = { n = { type = "integer", permit = no } },
  validate = function(data) if data.bad then return { bad = NUL, [NUL] = NUL } end end,
  warn = function(data) if data.odd then return { NUL, NUL .. NUL } end end,
  create = { guard = function(data) return data.refuse ~= true, NUL end },
  states = {
    A = { to = {
      GUARDED = { guard = no },
      PERMITTED = { permit = no },
      DENIED = { deny = function() return true, NUL end },
      FAILED = { effect = function() error(NUL) end },
      RAISED = { effect = function() error({ message = NUL }) end },
      SET = { effect = function() return { set = { note = NUL } } end },
      NAMED = { effect = function() return { set = { [NUL] = 1 } } end },
      EMITTED = { effect = function() return { emit = { type = NUL, data = { note = NUL } } } end },
      FOLLOWED = { effect = function() return { follow = { { machine = NUL, id = NUL, to = NUL } } } end },
      CREATED = { effect = function() return { create = { { machine = "mutters", id = NUL } } } end },
      WARNED = true,
    } },
    GUARDED = {}, PERMITTED = {}, DENIED = {}, FAILED = {}, RAISED = {}, SET = {}, NAMED = {}, EMITTED = {},
    FOLLOWED = {}, CREATED = {}, WARNED = {},
  },
}
]]

describe("a policy that says NUL", function()
  local statute
  setup(function() statute = server.start { policies = { ["mutters.lua"] = MUTTERS } } end)
  teardown(function() statute:stop() end)

  it("in a declaration is refused", function()
    local directory = policies.write { ["d.lua"] = [[return machine "d" { initial = "A", states = { B = {},
      A = { to = { B = true }, after = { delay = "1s", to = "B", comments = "a\0b" } } } }]] }
    local status, out = server.statute { "check", "--policies", directory }
    policies.remove((directory:gsub("/policies$", "")))
    assert.equal(1, status)
    assert.match("comments: .*a string with a NUL", out)
  end)

  it("spoils no record", function()
    statute:create("mutters", "m", { odd = true })
    http.expect(statute.client:post("/v1/entities/mutters", { id = "x", data = { refuse = true } }), 422)
    http.expect(statute.client:post("/v1/entities/mutters", { id = "y", data = { bad = true } }), 500, "policy_error")
    http.expect(statute.client:patch("/v1/entities/mutters/m", { data = { n = 1 } }), 403)
    for _, state in ipairs { "GUARDED", "PERMITTED", "DENIED", "FAILED", "RAISED", "SET", "NAMED", "EMITTED", "FOLLOWED", "CREATED" } do
      local answer = statute:move("mutters", "m", state)
      assert.is_true(answer.status == 422 or answer.status == 403 or answer.status == 500, state .. " " .. answer.status)
      assert.is_nil(answer.body:find("\\u0000", 1, true), answer.body)
    end
    http.expect(statute:move("mutters", "m", "WARNED"), 200)
    local records = statute:history("mutters", "m")
    assert.equal(13, #records)
    for _, record in ipairs(records) do assert.is_nil((record.error_message or ""):find("\0", 1, true)) end
    assert.truthy(records[3].error_message:find("a?b?c", 1, true), records[3].error_message)
    local status, out, err = server.statute { "audit", "verify", "--store", statute.store }
    assert.equal(0, status, out .. err)
  end)
end)
