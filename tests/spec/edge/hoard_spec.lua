-- Policies are pure. One that keeps things between calls must not grow the server, nor harm its neighbours.
local http   = require "tests.support.http"
local server = require "tests.support.server"

local HOARD = [[
local hoard = {}
local function keep() hoard[#hoard + 1] = ("x"):rep(900000) return false, "no" end
return machine "hoard" { initial = "A", states = { A = { to = { B = { guard = keep } } }, B = { final = true } } }
]]
local GOOD = [[
return machine "good" { initial = "A", states = { A = { to = { B = { guard = function() return true end } } }, B = { to = { A = true } } } }
]]

describe("a policy that hoards", function()
  local statute

  setup(function()
    statute = server.start { policies = { ["hoard.lua"] = HOARD, ["good.lua"] = GOOD }, arguments = { "--policy-time", "5s" } }
  end)
  teardown(function() statute:stop() end)

  it("does not grow the server, and its neighbours go on", function()
    statute:create("hoard", "h")
    statute:create("good", "g")
    local before = statute:rss_kib()
    for i = 1, 300 do
      http.expect(statute:move("hoard", "h", { to = "B" }), 422, "guard_rejected")
      if i % 30 == 0 then
        http.expect(statute:move("good", "g", { to = i % 60 == 0 and "A" or "B" }), 200)
      end
    end
    assert.is_true(statute:rss_kib() - before < 60 * 1024 * server.patience, statute:rss_kib() - before)
  end)
end)
