-- Every code of the contract's table that a server with one SQLite file can be brought to say.
local http   = require "tests.support.http"
local server = require "tests.support.server"

local GATE = [[
return machine "gate" {
  initial = "SHUT",
  fields = { width = "integer" },
  states = {
    SHUT = { to = { OPEN = { permit = "gate.open" }, AJAR = { guard = function() return false, "It is stuck" end },
                    BENT = { guard = function() error("bent beyond repair") end } } },
    OPEN = { final = true }, AJAR = {}, BENT = {},
  },
}
]]

describe("the error", function()
  local statute

  setup(function()
    statute = server.start { policies = { ["gate.lua"] = GATE } }
    statute:create("gate", "g", {})
  end)
  teardown(function() statute:stop() end)

  local function move(request) return statute:move("gate", "g", request) end

  it("bad_request names the place", function()
    local problem = http.expect(move { to = 7 }, 400, "bad_request")
    assert.truthy(problem.detail:find("to", 1, true))
    problem = http.expect(statute.client:request("POST", "/v1/entities/gate", '{\n "data": {,}\n}'), 400, "bad_request")
    assert.truthy(problem.detail:find("line 2", 1, true), problem.detail)
  end)

  it("permission_denied names what is required and what is missing", function()
    local problem = http.expect(move { to = "OPEN", actor = { id = "x" } }, 403, "permission_denied")
    assert.same({ "gate.open" }, problem.required_permissions)
    assert.same({ "gate.open" }, problem.missing_permissions)
  end)

  it("unknown_machine suggests what was meant", function()
    assert.truthy(http.expect(statute.client:get("/v1/machines/gatee"), 404, "unknown_machine").detail:find("gate", 1, true))
  end)

  it("entity_not_found names the entity", function()
    assert.truthy(http.expect(statute:read("gate", "g99"), 404, "entity_not_found").detail:find("g99", 1, true))
  end)

  it("not_found is for paths that lead nowhere", function()
    for _, path in ipairs { "/", "/v1", "/v1/", "/v2/entities/gate", "/v1/entities/gate/g/", "/v1/entities/gate/g/x", "/V1/machines" } do
      http.expect(statute.client:get(path), 404, "not_found")
    end
  end)

  it("method_not_allowed says which methods are", function()
    local answer = statute.client:request("DELETE", "/v1/entities/gate/g")
    http.expect(answer, 405, "method_not_allowed")
    assert.truthy(answer.headers.allow:find("GET", 1, true))
    assert.truthy(answer.headers.allow:find("PATCH", 1, true))
  end)

  it("invalid_transition says where the entity is and what is allowed", function()
    local problem = http.expect(move { to = "SHUT" }, 409, "invalid_transition")
    assert.equal("SHUT", problem.current_state)
    assert.same({ "AJAR", "BENT", "OPEN" }, problem.allowed)
  end)

  it("already_exists", function()
    http.expect(statute.client:post("/v1/entities/gate", { id = "g" }), 409, "already_exists")
  end)

  it("version_conflict", function()
    http.expect(move { to = "OPEN", options = { if_version = 99 } }, 412, "version_conflict")
  end)

  it("guard_rejected brings the messages", function()
    assert.same({ "It is stuck" }, http.expect(move { to = "AJAR" }, 422, "guard_rejected").messages)
  end)

  it("validation_failed brings the errors by field", function()
    assert.is_string(http.expect(move { to = "OPEN", actor = { id = "x", permissions = { "*" } }, data = { width = "wide" } }, 422,
      "validation_failed").errors.width)
  end)

  it("policy_error says what went wrong and that nothing was done", function()
    local problem = http.expect(move { to = "BENT" }, 500, "policy_error")
    assert.truthy(problem.detail:find("bent beyond repair", 1, true))
    assert.truthy(problem.detail:find("gate.lua", 1, true))
    assert.equal("SHUT", statute:read("gate", "g").json.state)
  end)

  it("payload_too_large", function()
    local body = '{"data":{"x":"' .. ("y"):rep(1024 * 1024) .. '"}}'
    http.expect(statute.client:request("POST", "/v1/entities/gate", body), 413, "payload_too_large")
    statute.client:close()
  end)

  it("uri_too_long", function()
    http.expect(statute.client:get("/v1/entities/gate/" .. ("x"):rep(9000)), 414, "uri_too_long")
    statute.client:close()
  end)

  it("headers_too_large, by size and by number", function()
    http.expect(statute.client:get("/v1/machines", { ["X-Long"] = ("x"):rep(17000) }), 431, "headers_too_large")
    statute.client:close()
    local many = {}
    for i = 1, 101 do many["X-" .. i] = "x" end
    http.expect(statute.client:get("/v1/machines", many), 431, "headers_too_large")
    statute.client:close()
  end)

  it("unsupported_media_type", function()
    local answer = statute.client:request("POST", "/v1/entities/gate", "{}", { ["Content-Type"] = "text/plain" })
    http.expect(answer, 415, "unsupported_media_type")
  end)

  it("policy_invalid", function()
    statute:write_policy("bad.lua", "return machine 'bad' {}")
    http.expect(statute.client:post("/v1/policies/reload"), 422, "policy_invalid")
    statute:remove_policy("bad.lua")
  end)

  it("idempotency_key_reused", function()
    local headers = { ["Idempotency-Key"] = "reused" }
    http.expect(statute.client:post("/v1/entities/gate", { id = "k1" }, headers), 201)
    http.expect(statute.client:post("/v1/entities/gate", { id = "k2" }, headers), 422, "idempotency_key_reused")
  end)

  it("leaves the entity as it was, whatever it is", function()
    local gate = statute:read("gate", "g").json
    assert.equal("SHUT", gate.state)
    assert.equal(1, gate.version)
  end)
end)
