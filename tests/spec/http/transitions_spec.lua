local http   = require "tests.support.http"
local server = require "tests.support.server"

local LAMP = [[
local function has_bulb(lamp) return lamp.bulb == true, "There is no bulb" end
local function has_power(lamp) return lamp.power ~= false, "There is no power" end
local function is_strong(actor)
  return actor.attributes.strong == true, "Only the strong break lamps"
end
local function says_why(_, ctx) return ctx.comments ~= nil, "Comments required when transitioning to " .. ctx.to end

return machine "lamp" {
  initial = "OFF",
  fields  = { bulb = { type = "boolean", default = true }, watt = { type = "integer", min = 1 } },
  warn    = function(lamp) if (lamp.watt or 0) > 100 then return { "It gets hot", "It costs a lot" } end end,
  states  = {
    OFF    = { to = { ON = { name = "switch_on", permit = "lamp.switch", guard = has_bulb }, BROKEN = true } },
    ON     = {
      require = has_power,
      to = {
        OFF = { name = "switch_off", permit = { "lamp.switch", "lamp.save" } },
        BROKEN = { permit = is_strong },
      },
    },
    BROKEN = { final = true, require = says_why },
  },
}
]]

local VAULT = [[
return machine "vault" { initial = "SHUT", isolation = "serializable", states = { SHUT = { to = { OPEN = true } }, OPEN = { to = { SHUT = true } } } }
]]

local ROLES = [[
return roles { electrician = { "lamp.*" }, helper = { "lamp.switch" }, boss = { inherits = "electrician" }, root = { "*" } }
]]

local ANN = { id = "ann", permissions = { "lamp.switch", "lamp.save" } }

describe("a transition", function()
  local statute, lamps = nil, 0

  setup(function() statute = server.start { policies = { ["lamp.lua"] = LAMP, ["vault.lua"] = VAULT, ["roles.lua"] = ROLES } } end)
  teardown(function() statute:stop() end)

  local function lamp(data, state)
    lamps = lamps + 1
    return statute:create("lamp", "lamp-" .. lamps, data or {}, state).id
  end

  local function move(id, request, headers) return statute:move("lamp", id, request, headers) end
  local function state_of(id) return statute:read("lamp", id).json.state end

  describe("that is allowed", function()
    it("answers with all that the contract promises", function()
      local id = lamp()
      local answer = move(id, { to = "ON", actor = ANN, reason = "api", comments = "Dark.", metadata = { app = "x" },
                                data = { watt = 60 } })
      local done = http.expect(answer, 200)
      assert.is_true(done.success)
      assert.is_true(done.changed)
      assert.equal("lamp", done.machine)
      assert.equal(id, done.id)
      assert.equal("OFF", done.from)
      assert.equal("ON", done.to)
      assert.equal(2, done.version)
      assert.same({ bulb = true, watt = 60 }, done.data)
      assert.same({}, done.warnings)
      assert.truthy(answer.body:find('"warnings":[]', 1, true))
      assert.equal(36, #done.audit_id)
      assert.equal(2, done.audit_sequence)
      assert.truthy(done.audit_hash:match("^" .. ("%x"):rep(64) .. "$"))
      assert.equal(0, done.retries)
      assert.truthy(done.policy:match("^" .. ("%x"):rep(64) .. "$"))
      for _, part in ipairs { "lock_us", "execute_us", "total_us" } do
        assert.equal("integer", math.type(done.timing[part]), part)
        assert.is_true(done.timing[part] >= 0)
      end
      assert.is_true(done.timing.total_us >= done.timing.execute_us)
      assert.equal('"2"', answer.headers.etag)
    end)

    it("is what a later read shows", function()
      local id = lamp()
      local done = http.expect(move(id, { to = "ON", actor = ANN, data = { watt = 60 } }), 200)
      local read = statute:read("lamp", id)
      assert.equal('"2"', read.headers.etag)
      assert.equal("ON", read.json.state)
      assert.same(done.data, read.json.data)
      assert.is_true(read.json.updated_at > read.json.created_at)
    end)

    it("can be asked for by its verb", function()
      local id = lamp()
      assert.equal("ON", http.expect(move(id, { transition = "switch_on", actor = ANN }), 200).to)
      assert.equal("OFF", http.expect(move(id, { transition = "switch_off", actor = ANN }), 200).to)
    end)

    it("carries warnings", function()
      local done = http.expect(move(lamp(), { to = "ON", actor = ANN, data = { watt = 200 } }), 200)
      assert.same({ "It gets hot", "It costs a lot" }, done.warnings)
    end)

    for _, reason in ipairs { "user_action", "system_auto", "batch", "migration", "api", "timer", "webhook", "admin_override" } do
      it("may have the reason " .. reason, function()
        local id = lamp()
        http.expect(move(id, { to = "ON", actor = ANN, reason = reason }), 200)
        assert.equal(reason, statute:history("lamp", id)[2].reason)
      end)
    end

    it("is a user_action unless it says otherwise", function()
      local id = lamp()
      http.expect(move(id, { to = "ON", actor = ANN }), 200)
      assert.equal("user_action", statute:history("lamp", id)[2].reason)
    end)
  end)

  describe("that is not declared", function()
    it("is refused, with the ways that are", function()
      local problem = http.expect(move(lamp({}, "ON"), { to = "ON", actor = ANN }), 409, "invalid_transition")
      assert.equal("ON", problem.current_state)
      assert.same({ "BROKEN", "OFF" }, problem.allowed)
    end)

    it("is refused for states and verbs that nobody knows", function()
      local id = lamp()
      http.expect(move(id, { to = "DIMMED", actor = ANN }), 409, "invalid_transition")
      http.expect(move(id, { transition = "dim", actor = ANN }), 409, "invalid_transition")
      http.expect(move(id, { transition = "switch_off", actor = ANN }), 409, "invalid_transition")
    end)

    it("is refused from a final state, with nothing allowed", function()
      local answer = move(lamp({}, "BROKEN"), { to = "OFF", actor = ANN })
      assert.same({}, http.expect(answer, 409, "invalid_transition").allowed)
      assert.truthy(answer.body:find('"allowed":[]', 1, true))
    end)

    it("is refused before permissions are asked", function()
      http.expect(move(lamp({}, "ON"), { to = "ON" }), 409, "invalid_transition")
    end)
  end)

  describe("that needs permissions", function()
    it("is refused without them, naming those required and those missing", function()
      local id = lamp({}, "ON")
      local problem = http.expect(move(id, { to = "OFF", actor = { id = "bob", permissions = { "lamp.switch" } } }), 403,
        "permission_denied")
      assert.same({ "lamp.save", "lamp.switch" }, (function(list) table.sort(list) return list end)(problem.required_permissions))
      assert.same({ "lamp.save" }, problem.missing_permissions)
      assert.equal("ON", state_of(id))
    end)

    it("is refused to nobody", function()
      http.expect(move(lamp(), { to = "ON" }), 403, "permission_denied")
      http.expect(move(lamp(), { to = "ON", actor = { id = "bob" } }), 403, "permission_denied")
    end)

    it("is granted by wildcards, by roles and by what roles inherit", function()
      for _, actor in ipairs {
        { permissions = { "*" } }, { permissions = { "lamp.*" } }, { roles = { "electrician" } }, { roles = { "boss" } },
        { roles = { "root" } }, { roles = { "helper" }, permissions = { "lamp.save" } },
      } do
        actor.id = "x"
        http.expect(move(lamp({}, "ON"), { to = "OFF", actor = actor }), 200)
      end
    end)

    it("is not granted by what looks alike", function()
      for _, actor in ipairs {
        { permissions = { "lamp" } }, { permissions = { "lamp.switch*" } }, { permissions = { "LAMP.*" } },
        { permissions = { "lam.*" } }, { permissions = { "" } }, { permissions = { "lamp.switch.on" } },
        { roles = { "stranger" } }, { roles = { "lamp.switch" } }, { permissions = { "root" } }, { roles = { "*" } },
      } do
        actor.id = "x"
        http.expect(move(lamp(), { to = "ON", actor = actor }), 403, "permission_denied")
      end
    end)

    it("may be judged by a function, which sees the actor", function()
      local id = lamp({}, "ON")
      local refused = http.expect(move(id, { to = "BROKEN", actor = ANN, comments = "!" }), 403, "permission_denied")
      assert.truthy(refused.detail:find("Only the strong break lamps", 1, true))
      local strong = { id = "bob", attributes = { strong = true } }
      http.expect(move(id, { to = "BROKEN", actor = strong, comments = "!" }), 200)
    end)

    it("is not asked for them with skip_permissions", function()
      http.expect(move(lamp(), { to = "ON", options = { skip_permissions = true } }), 200)
    end)

    it("is still guarded with skip_permissions", function()
      http.expect(move(lamp { bulb = false }, { to = "ON", options = { skip_permissions = true } }), 422, "guard_rejected")
    end)
  end)

  describe("that is guarded", function()
    it("is refused with every message there is", function()
      local id = lamp { bulb = false, power = false }
      local problem = http.expect(move(id, { to = "ON", actor = ANN }), 422, "guard_rejected")
      assert.same({ "There is no bulb", "There is no power" }, problem.messages)
      assert.equal("OFF", state_of(id))
      assert.equal(1, statute:read("lamp", id).json.version)
    end)

    it("is judged with the request's data merged in", function()
      local id = lamp { bulb = false }
      http.expect(move(id, { to = "ON", actor = ANN, data = { bulb = true } }), 200)
    end)

    it("does not keep the data of a refused request", function()
      local id = lamp { bulb = false }
      http.expect(move(id, { to = "ON", actor = ANN, data = { watt = 5 } }), 422, "guard_rejected")
      assert.is_nil(statute:read("lamp", id).json.data.watt)
    end)

    it("sees the comments", function()
      local problem = http.expect(move(lamp(), { to = "BROKEN", actor = ANN }), 422, "guard_rejected")
      assert.same({ "Comments required when transitioning to BROKEN" }, problem.messages)
    end)
  end)

  it("with data of the wrong type is refused by field", function()
    local problem = http.expect(move(lamp(), { to = "ON", actor = ANN, data = { watt = 0, bulb = 1 } }), 422, "validation_failed")
    assert.is_string(problem.errors.watt)
    assert.is_string(problem.errors.bulb)
  end)

  describe("option", function()
    it("dry_run decides and changes nothing", function()
      local id = lamp()
      local before = #statute:history("lamp", id)
      local answer = move(id, { to = "ON", actor = ANN, data = { watt = 200 }, options = { dry_run = true } })
      local done = http.expect(answer, 200)
      assert.is_true(done.success)
      assert.is_true(done.changed)
      assert.equal("ON", done.to)
      assert.equal(2, #done.warnings)
      for _, member in ipairs { "audit_id", "audit_sequence", "audit_hash" } do
        assert.truthy(answer.body:find(('"%s":null'):format(member), 1, true), member)
      end
      assert.equal("OFF", state_of(id))
      assert.equal(1, statute:read("lamp", id).json.version)
      assert.equal(before, #statute:history("lamp", id))
    end)

    it("dry_run refuses as the real thing would", function()
      local id = lamp { bulb = false }
      http.expect(move(id, { to = "ON", actor = ANN, options = { dry_run = true } }), 422, "guard_rejected")
      http.expect(move(id, { to = "ON", options = { dry_run = true } }), 403, "permission_denied")
      http.expect(move(id, { to = "OFF", actor = ANN, options = { dry_run = true } }), 409, "invalid_transition")
      assert.equal(1, #statute:history("lamp", id))
    end)

    it("idempotent answers 200 without a change when it is there already", function()
      local id = lamp({}, "ON")
      local done = http.expect(move(id, { to = "ON", actor = ANN, options = { idempotent = true } }), 200)
      assert.is_true(done.success)
      assert.is_false(done.changed)
      assert.equal(1, done.version)
      assert.equal("ON", done.to)
      assert.equal(1, statute:read("lamp", id).json.version)
    end)

    it("idempotent moves what is not there yet", function()
      local done = http.expect(move(lamp(), { to = "ON", actor = ANN, options = { idempotent = true } }), 200)
      assert.is_true(done.changed)
    end)

    it("if_version lets only that version through", function()
      local id = lamp()
      http.expect(move(id, { to = "ON", actor = ANN, options = { if_version = 2 } }), 412, "version_conflict")
      assert.equal("OFF", state_of(id))
      http.expect(move(id, { to = "ON", actor = ANN, options = { if_version = 1 } }), 200)
    end)

    it("if_version may be sent as If-Match", function()
      local id = lamp()
      http.expect(move(id, { to = "ON", actor = ANN }, { ["If-Match"] = '"7"' }), 412, "version_conflict")
      http.expect(move(id, { to = "ON", actor = ANN }, { ["If-Match"] = '"1"' }), 200)
    end)

    it("lock = false moves all the same", function()
      local id = lamp()
      http.expect(move(id, { to = "ON", actor = ANN, options = { lock = false } }), 200)
      assert.equal("ON", state_of(id))
    end)

    it("isolation is the machine's when the request names none", function()
      statute:create("vault", "v")
      http.expect(statute:move("vault", "v", { to = "OPEN" }), 200)
      http.expect(statute:move("vault", "v", { to = "SHUT", options = { isolation = "read committed" } }), 200)
      local history = statute:history("vault", "v")
      assert.same({ "serializable", "serializable", "read committed" },
        { history[1].isolation, history[2].isolation, history[3].isolation })
    end)

    for _, isolation in ipairs { "read committed", "repeatable read", "serializable" } do
      it("isolation may be " .. isolation, function()
        local id = lamp()
        http.expect(move(id, { to = "ON", actor = ANN, options = { isolation = isolation } }), 200)
        assert.equal(isolation, statute:history("lamp", id)[2].isolation)
      end)
    end

    it("may all be given at once", function()
      http.expect(move(lamp(), { to = "ON", actor = ANN, options = {
        dry_run = false, lock = true, lock_timeout_ms = 10000, blocking_timeout_ms = 5000, max_retries = 3,
        isolation = "read committed", if_version = 1, idempotent = false, skip_permissions = false,
      } }), 200)
    end)

    for name, options in pairs {
      ["an unknown option"] = '{"dryrun":true}', ["a flag as a string"] = '{"dry_run":"true"}',
      ["a flag as a number"] = '{"idempotent":1}', ["a version of zero"] = '{"if_version":0}',
      ["a version as a string"] = '{"if_version":"1"}', ["a negative time"] = '{"lock_timeout_ms":-1}',
      ["a fraction"] = '{"max_retries":1.5}', ["an unknown isolation"] = '{"isolation":"chaos"}', ["a list"] = "[1]",
    } do
      it("refuses " .. name, function()
        local id = lamp()
        local answer = statute.client:request("POST", "/v1/entities/lamp/" .. id .. "/transitions",
          '{"to":"ON","actor":{"id":"ann","permissions":["*"]},"options":' .. options .. "}")
        assert.truthy(http.expect(answer, 400, "bad_request").detail:find("options", 1, true))
        assert.equal("OFF", state_of(id))
      end)
    end
  end)

  for name, body in pairs {
    ["neither a state nor a verb"] = '{"actor":{"id":"a"}}', ["both a state and a verb"] = '{"to":"ON","transition":"switch_on"}',
    ["a state that is no string"] = '{"to":1}', ["data that is no object"] = '{"to":"ON","data":[1]}',
    ["metadata that is no object"] = '{"to":"ON","metadata":"x"}', ["comments that are no string"] = '{"to":"ON","comments":["x"]}',
    ["an unknown reason"] = '{"to":"ON","reason":"whim"}', ["an actor that is no object"] = '{"to":"ON","actor":"ann"}',
    ["an actor without an id"] = '{"to":"ON","actor":{"roles":["root"]}}',
    ["roles that are no list"] = '{"to":"ON","actor":{"id":"a","roles":"root"}}',
    ["permissions that are not strings"] = '{"to":"ON","actor":{"id":"a","permissions":[1]}}',
    ["an unknown key"] = '{"to":"ON","comment":"x"}',
    ["an empty body"] = "{}",
  } do
    it("is refused with " .. name, function()
      local id = lamp()
      http.expect(statute.client:request("POST", "/v1/entities/lamp/" .. id .. "/transitions", body), 400, "bad_request")
      assert.equal("OFF", state_of(id))
    end)
  end

  it("of what is not there is 404", function()
    http.expect(move("nobody", { to = "ON", actor = ANN }), 404, "entity_not_found")
    http.expect(statute:move("gate", "nobody", { to = "ON" }), 404, "unknown_machine")
  end)

  it("gives back the request id it was sent", function()
    local answer = move(lamp(), { to = "ON", actor = ANN }, { ["X-Request-Id"] = "my-request-7" })
    assert.equal("my-request-7", answer.headers["x-request-id"])
  end)
end)
