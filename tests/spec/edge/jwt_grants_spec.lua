-- Where a JWT says what its bearer may, and of which type it is.
local http     = require "tests.support.http"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"
local token    = require "tests.support.token"

local DOOR = [[
return { roles { porter = { "door.open" } },
  machine "door" { initial = "SHUT", within = "tenant", states = { SHUT = { to = { OPEN = { permit = "door.open" } } }, OPEN = {} } } }
]]

describe("a JWT", function()
  local directory, keys, foreign, statute, doors

  local function start(...)
    return server.start { auth = directory .. "/jwks.json", policies = { ["door.lua"] = DOOR }, arguments = { ... } }
  end

  setup(function()
    directory = policies.temporary()
    keys = token.keys(directory)
    foreign = token.key(directory, "ES256", "foreign")
    token.write_set(directory .. "/jwks.json", { keys.HS256, keys.RS256, keys.ES256 })
    doors = 0
  end)
  after_each(function() statute:stop() end)
  teardown(function() policies.remove(directory) end)

  local function with(bearer) return http.connect(statute.port, { Authorization = "Bearer " .. bearer }) end
  local function status(claims, tenant)
    local body = { sub = "ann" }
    for name, value in pairs(claims) do body[name] = value end
    local client = with(token.sign(keys.ES256, body))
    doors = doors + 1
    http.expect(client:post("/v1/entities/door", { id = "d" .. doors, data = { tenant = tenant } }), 201)
    return client:post("/v1/entities/door/d" .. doors .. "/transitions", { to = "OPEN" }).status
  end

  it("has its roles where --jwt-roles says, by paths into claims", function()
    statute = start("--jwt-roles", "realm_access.roles,resource_access.statute.roles,https://example.com/roles")
    assert.equal(200, status { realm_access = { roles = { "offline_access", "porter" } } })
    assert.equal(200, status { realm_access = { roles = { "x" } }, resource_access = { statute = { roles = { "porter" } } } })
    assert.equal(200, status { ["https://example.com/roles"] = { "porter" } })
    assert.equal(403, status { roles = { "porter" } })
    assert.equal(403, status {})
    local wrong = token.sign(keys.ES256, { sub = "ann", realm_access = { roles = "porter" } })
    http.expect(with(wrong):get "/v1/machines", 401, "unauthenticated")
    assert.truthy(statute:log():find("realm_access.roles: expected an array of roles", 1, true))
  end)

  it("has its permissions where --jwt-permissions says", function()
    statute = start("--jwt-permissions", "authorization.permissions")
    assert.equal(200, status { authorization = { permissions = { "door.open" } } })
    assert.equal(403, status { permissions = { "door.open" } })
    assert.equal(200, status { roles = { "porter" } })
  end)

  it("may have roles within a tenant", function()
    statute = start()
    local claims = { roles = { { role = "porter", within = "acme" } } }
    assert.equal(200, status(claims, "acme"))
    assert.equal(403, status(claims, "other"))
    local wrong = token.sign(keys.ES256, { sub = "ann", roles = { { role = "porter" } } })
    http.expect(with(wrong):get "/v1/machines", 401, "unauthenticated")
  end)

  it("may be of another type when --jwt-type allows it, with the signature checked all the same", function()
    statute = start("--jwt-type", "at+jwt")
    for _, algorithm in ipairs { "HS256", "RS256", "ES256" } do
      for _, typ in ipairs { "at+jwt", "AT+JWT", "application/at+jwt", "JWT" } do
        http.expect(with(token.sign(keys[algorithm], { sub = "ann" }, { typ = typ })):get "/v1/machines", 200)
      end
      local good = token.sign(keys[algorithm], { sub = "eve" }, { typ = "at+jwt" })
      local head, _, signature = good:match("^(.*)%.(.*)%.(.*)$")
      local other = token.sign(keys[algorithm], { sub = "root", scope = "admin" }):match("%.(.*)%.")
      http.expect(with(head .. "." .. other .. "." .. signature):get "/v1/machines", 401)
      http.expect(with(good:sub(1, -3)):get "/v1/machines", 401)
    end
    http.expect(with(token.sign(foreign, { sub = "ann" }, { typ = "at+jwt", kid = "es256" })):get "/v1/machines", 401)
    http.expect(with(token.sign(keys.ES256, { sub = "ann" }, { typ = "dpop+jwt" })):get "/v1/machines", 401)
    http.expect(with(token.sign(keys.ES256, { sub = "ann" })):get "/v1/machines", 200)
  end)

  it("is of no other type otherwise, and the log says what would allow it", function()
    statute = start()
    http.expect(with(token.sign(keys.ES256, { sub = "ann" }, { typ = "at+jwt" })):get "/v1/machines", 401)
    assert.truthy(statute:log():find("--jwt-type can allow another", 1, true))
  end)
end)
