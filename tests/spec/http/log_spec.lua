-- What the log says of policies that fail, of callers that are refused, and of requests.
local eventually = require "tests.support.eventually"
local http       = require "tests.support.http"
local server     = require "tests.support.server"

local BROKEN = [[
return machine "broken" {
  initial = "A",
  states = {
    A = { to = { B = { guard = function(data)
      error("no such luck")
    end } } },
    B = {},
  },
}
]]

describe("the log", function()
  local statute
  after_each(function() statute:stop() end)

  local function says(pattern)
    eventually(function() return statute:log():find(pattern) end, 5, pattern .. " in:\n" .. statute:log())
  end

  it("names machine, entity, file, line and request of a policy error", function()
    statute = server.start { policies = { ["broken.lua"] = BROKEN } }
    statute:create("broken", "b1", {})
    http.expect(statute:move("broken", "b1", "B", { ["X-Request-Id"] = "why-1" }), 500, "policy_error")
    says "policy_error: broken 'b1' %(broken.lua:1%), request why%-1: .*broken.lua:5: no such luck"
  end)

  it("counts what is over ten policy errors a second", function()
    statute = server.start { policies = { ["broken.lua"] = BROKEN } }
    statute:create("broken", "b1", {})
    for _ = 1, 60 do statute:move("broken", "b1", "B") end
    eventually(function()
      statute:move("broken", "b1", "B")
      return statute:log():find("such lines were dropped before", 1, true)
    end, 10, "a count")
    local lines, by_second = 0, {}
    for second in statute:log():gmatch("(%S+) error policy_error:") do
      lines = lines + 1
      by_second[second] = (by_second[second] or 0) + 1
    end
    assert.is_true(lines >= 10)
    for second, count in pairs(by_second) do assert.is_true(count <= 20, second) end -- seconds of two clocks
  end)

  it("names address and request of a refused key", function()
    statute = server.start { policies = { ["broken.lua"] = BROKEN }, auth = "keys" }
    local key = "st_0123456789abcdef_" .. ("A"):rep(43)
    http.expect(statute.client:get("/v1/machines", { Authorization = "Bearer " .. key, ["X-Request-Id"] = "who-1" }), 401, "unauthenticated")
    says "key_refused: [^\n]*from 127.0.0.1, request who%-1"
    assert.falsy(statute:log():find(("A"):rep(43), 1, true))
    http.expect(statute.client:get "/v1/machines", 401)
    assert.equal(1, select(2, statute:log():gsub("key_refused", "")))
  end)

  it("has a line for each request with --access-log, and none without", function()
    statute = server.start { policies = { ["broken.lua"] = BROKEN }, arguments = { "--access-log" } }
    statute:create("broken", "b1", {})
    statute.client:get("/v1/entities/broken?state=A&limit=1", { ["X-Request-Id"] = "line-1" })
    says "access: 127.0.0.1 GET /v1/entities/broken 200 %d+ bytes %d+ us anonymous line%-1"
    assert.falsy(statute:log():find("state=A", 1, true))
    statute:stop()
    statute = server.start { policies = { ["broken.lua"] = BROKEN } }
    statute.client:get "/livez"
    assert.falsy(statute:log():find("access:", 1, true))
  end)
end)
