local eventually = require "tests.support.eventually"
local http       = require "tests.support.http"
local policies   = require "tests.support.policies"
local server     = require "tests.support.server"
local token      = require "tests.support.token"

local DOOR = [[
local function is_of_site(actor, door)
  local site = actor.attributes and actor.attributes.site
  return site ~= nil and site == door.site, "another site"
end
return machine "door" {
  initial = "SHUT",
  states = {
    SHUT = { to = { OPEN = { permit = "door.open" }, PAINTED = { permit = "paint.door" }, MOVED = { permit = is_of_site }, LOST = true } },
    OPEN = {}, PAINTED = {}, MOVED = {}, LOST = {},
  },
}
]]
local ROLES = [[ return roles { porter = { "door.open" }, chief = { inherits = "porter", "paint.*" }, root = { "*" } } ]]
local POLICIES = { ["door.lua"] = DOOR, ["roles.lua"] = ROLES }
local ISSUER, AUDIENCE = "https://id.example", "statute"

local directory, store, keys, foreign, set_path

local function start(arguments)
  return server.start { directory = directory, store = store, auth = set_path, policies = POLICIES, arguments = arguments }
end

local function api_key(name, scopes, ...)
  local status, out, err = server.statute { "token", "create", "--store", store, "--name", name, "--scopes", scopes, ... }
  assert(status == 0, err)
  return assert(out:match("st_%w+_%w+"), out)
end

-- Claims of `sub` with whatever else, for our server.
local function claims(sub, more)
  local all = { sub = sub, iss = ISSUER, aud = AUDIENCE }
  for name, value in pairs(more or {}) do all[name] = value end
  return all
end

local function make_world()
  directory = policies.temporary()
  store = server.new_store(directory)
  keys = token.keys(directory)
  foreign = token.key(directory, "ES256", "foreign")
  set_path = directory .. "/jwks.json"
  token.write_set(set_path, { keys.HS256, keys.RS256, keys.ES256 })
end

local function count(text, part)
  local found = 0
  for _ in text:gmatch(part) do found = found + 1 end
  return found
end

describe("JWTs", function()
  local statute, ann_key
  local doors = 0

  setup(function()
    make_world()
    ann_key = api_key("ann", "read,transition", "--roles", "porter")
    statute = start { "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE }
  end)
  teardown(function()
    statute:stop()
    server.drop_store(store)
  end)

  local function with(bearer) return http.connect(statute.port, { Authorization = "Bearer " .. bearer }) end
  local function as(sub, more) return with(token.sign(keys.ES256, claims(sub, more))) end

  local function door(data)
    doors = doors + 1
    local id = "d" .. doors
    http.expect(with(ann_key):post("/v1/entities/door", { id = id, data = data }), 201)
    return "/v1/entities/door/" .. id
  end

  local function move(client, path, to, more)
    local body = { to = to }
    for name, value in pairs(more or {}) do body[name] = value end
    return client:post(path .. "/transitions", body)
  end

  it("of every algorithm are taken, and API keys beside them", function()
    for _, algorithm in ipairs { "HS256", "RS256", "ES256" } do
      for _, header in ipairs { {}, { kid = false }, { typ = false } } do
        http.expect(with(token.sign(keys[algorithm], claims("ann"), header)):get("/v1/machines"), 200)
      end
    end
    http.expect(with(ann_key):get("/v1/machines"), 200)
  end)

  it("that are no good are refused alike, and the log alone says why", function()
    local good = token.sign(keys.RS256, claims("secretive-sub"))
    local head, body, signature = good:match("^(.*)%.(.*)%.(.*)$")
    local none = token.base64url('{"alg":"none"}')
    local bad = {
      token.sign(keys.RS256, claims("secretive-sub", { exp = os.time() - 61 })), token.sign(keys.RS256, claims("secretive-sub", { nbf = os.time() + 90 })),
      token.sign(keys.RS256, claims("secretive-sub", { iss = "https://other.example" })), token.sign(keys.RS256, claims("secretive-sub", { aud = "other" })),
      token.sign(foreign, claims("secretive-sub")), token.sign(foreign, claims("secretive-sub"), { kid = "es256" }),
      token.sign(keys.RS256, claims("secretive-sub"), { alg = "HS256" }),
      token.sign(keys.RS256, claims("secretive-sub"), { crit = { "exp" } }), none .. "." .. body .. ".", none .. "." .. body .. "." .. signature,
      head .. "." .. body .. ".", head .. "." .. body, good .. "A", good:sub(1, -2), "x", "st_0123456789abcdef_" .. ("a"):rep(43),
    }
    http.expect(with(good):get("/v1/machines"), 200)
    local details = {}
    for i, bearer in ipairs(bad) do
      local client = with(bearer)
      for _, answer in ipairs { client:get("/v1/machines"), client:post("/v1/entities/door", { id = "never" }) } do
        details[http.expect(answer, 401, "unauthenticated").detail] = true
        assert.equal('Bearer error="invalid_token"', answer.headers["www-authenticate"], i)
      end
    end
    assert.is_nil(next(details, (next(details))))
    local log = statute:log()
    for _, why in ipairs { "it has expired", "not valid yet", "%-%-jwt%-issuer", "%-%-jwt%-audience", "no key has its kid",
                           "its signature is wrong", "crit", "its alg is none of" } do
      assert.truthy(log:find("token_refused: a token was refused: [^\n]*" .. why), why)
    end
    assert.is_nil(log:find("secretive", 1, true))
    assert.is_nil(log:find(body:sub(1, 40), 1, true))
  end)

  it("are asked for where nothing was sent", function()
    local answer = http.connect(statute.port):get("/v1/machines")
    assert.truthy(http.expect(answer, 401, "unauthenticated").detail:find("JWT", 1, true))
    assert.equal("Bearer", answer.headers["www-authenticate"])
    answer = http.connect(statute.port):get("/v1/machines", { Authorization = "Basic YTpi" })
    http.expect(answer, 401, "unauthenticated")
    assert.equal("Bearer", answer.headers["www-authenticate"])
  end)

  it("speak for their subject, with its roles, permissions and attributes", function()
    local path = door()
    http.expect(move(as("bob", { roles = { "porter" } }), path, "OPEN"), 200)
    assert.equal("bob", http.expect(as("bob"):get(path .. "/history"), 200).items[2].actor.id)
    http.expect(move(as("bob", { permissions = { "door.open" } }), door(), "OPEN"), 200)
    http.expect(move(as("bob", { roles = { "chief" } }), door(), "OPEN"), 200)
    http.expect(move(as("bob", { roles = { "chief" } }), door(), "PAINTED"), 200)
    http.expect(move(as("bob", { permissions = { "paint.*" } }), door(), "PAINTED"), 200)
    http.expect(move(as("bob", { roles = { "root" } }), door(), "PAINTED"), 200)
    http.expect(move(as("bob", { attributes = { site = 7 } }), door { site = 7 }, "MOVED"), 200)
  end)

  it("permit nothing that they do not say", function()
    local path = door { site = 7 }
    for _, more in ipairs { {}, { roles = { "nobody" } }, { permissions = { "door.opens" } }, { permissions = { "paint.*" } },
                            { permissions = { "door" } }, { attributes = { site = 7, roles = { "root" }, permissions = { "*" } } } } do
      local problem = http.expect(move(as("bob", more), path, "OPEN"), 403, "permission_denied")
      assert.same({ "door.open" }, problem.missing_permissions)
    end
    http.expect(move(as("bob", { roles = { "porter" } }), path, "PAINTED"), 403, "permission_denied")
    for _, more in ipairs { {}, { attributes = { site = 8 } }, { attributes = { site = "7" } }, { roles = { "root" } } } do
      http.expect(move(as("bob", more), path, "MOVED"), 403, "permission_denied")
    end
    assert.equal("SHUT", http.expect(as("bob"):get(path), 200).state)
  end)

  it("without act_as speak for nobody else", function()
    local path, boss = door(), { id = "boss", permissions = { "*" } }
    for _, more in ipairs { {}, { scope = "read transition system audit admin" }, { roles = { "root" } } } do
      http.expect(move(as("bob", more), path, "OPEN", { actor = boss }), 403, "permission_denied")
      http.expect(as("bob", more):get(path .. "/transitions?actor=boss&permissions=*"), 403, "permission_denied")
      http.expect(as("bob", more):post("/v1/batches", { machine = "door", ids = { "x" }, to = "OPEN", actor = boss }), 403, "permission_denied")
    end
    http.expect(move(as("app", { scope = "transition act_as" }), path, "OPEN", { actor = boss }), 200)
    assert.equal("boss", http.expect(as("bob"):get(path .. "/history"), 200).items[2].actor.id)
  end)

  it("without system skip no permissions and choose no state", function()
    local path, skip = door(), { options = { skip_permissions = true } }
    for _, more in ipairs { {}, { scope = "read transition act_as audit admin" }, { roles = { "root" } } } do
      http.expect(move(as("bob", more), path, "OPEN", skip), 403, "permission_denied")
      http.expect(as("bob", more):post("/v1/entities/door", { state = "LOST" }), 403, "permission_denied")
    end
    http.expect(move(as("importer", { scopes = { "transition", "system" } }), path, "OPEN", skip), 200)
  end)

  it("have the scopes that they name, in words that are true of tokens", function()
    local problem = http.expect(as("bob"):get("/v1/audit"), 403, "permission_denied")
    assert.truthy(problem.detail:find("the scope 'audit', which the token of 'bob' does not have", 1, true), problem.detail)
    http.expect(as("bob", { scope = "openid audit" }):get("/v1/audit"), 200)
    http.expect(as("bob", { scope = "openid audit" }):get("/v1/machines"), 403, "permission_denied")
    http.expect(as("bob", { scope = "openid" }):get("/v1/machines"), 403, "permission_denied")
    http.expect(as("bob", { scope = "" }):post("/v1/entities/door", {}), 403, "permission_denied")
    http.expect(as("bob"):post("/v1/policies/reload"), 403, "permission_denied")
    http.expect(as("bob"):get("/v1/tokens"), 403, "permission_denied")
    http.expect(as("bob", { scope = { "admin" } }):post("/v1/policies/reload"), 200)
    assert.truthy(http.expect(with(ann_key):get("/v1/audit"), 403).detail:find("the API key 'ann'", 1, true))
  end)

  it("are never taken for an API key of the same name", function()
    local path, headers = door(), { ["Idempotency-Key"] = "shared" }
    local function open(client) return client:request("POST", path .. "/transitions", { to = "OPEN" }, headers) end
    http.expect(open(with(ann_key)), 200)
    http.expect(open(as("ann", { roles = { "porter" } })), 409, "invalid_transition")
    assert.equal("true", open(with(ann_key)).headers["idempotency-replayed"])
    path = door()
    http.expect(open(as("ann", { roles = { "porter" } })), 200)
    assert.equal("true", open(as("ann", { roles = { "porter" }, jti = "another token" })).headers["idempotency-replayed"])
    http.expect(open(as("eve", { roles = { "porter" } })), 409, "invalid_transition")
    http.expect(open(with(ann_key)), 409, "invalid_transition")
  end)

  it("make API keys in their own name", function()
    http.expect(as("chief", { scope = "admin" }):post("/v1/tokens", { name = "made", scopes = { "read" } }), 201)
    assert.truthy(statute:log():find("API key 'made' was made by the token of 'chief'", 1, true))
  end)
end)

describe("tokens of a short life", function()
  it("stop working in the middle of a connection", function()
    make_world()
    local statute = start { "--jwt-leeway", "0s" }
    local client = http.connect(statute.port, { Authorization = "Bearer " .. token.sign(keys.RS256, { sub = "ann", exp = os.time() + 3 }) })
    http.expect(client:get("/v1/machines"), 200)
    http.expect(client:post("/v1/entities/door", { id = "d" }), 201)
    local answer = eventually(function()
      local got = client:get("/v1/machines")
      return got.status == 401 and got
    end, 10, "the token expires")
    http.expect(answer, 401, "unauthenticated")
    http.expect(client:post("/v1/entities/door/d/transitions", { to = "LOST" }), 401, "unauthenticated")
    assert.truthy(statute:log():find("%-%-jwt%-issuer is not set"))
    assert.truthy(statute:log():find("%-%-jwt%-audience is not set"))
    assert.is_nil(statute:log():find("there is no API key", 1, true))
    statute:stop()
    server.drop_store(store)
  end)
end)

describe("the key file", function()
  local statute

  before_each(function()
    make_world()
    statute = start()
  end)
  after_each(function()
    statute:stop()
    server.drop_store(store)
  end)

  local function status_of(bearer) return http.connect(statute.port):get("/v1/machines", { Authorization = "Bearer " .. bearer }).status end
  local function becomes(bearer, status) eventually(function() return status_of(bearer) == status end, 5 * server.patience, "the key file is read again") end

  it("that changes is in force within seconds, and the tokens of removed keys are not", function()
    local old, kept, new = token.sign(keys.RS256, { sub = "ann" }), token.sign(keys.ES256, { sub = "ann" }), token.sign(foreign, { sub = "ann" })
    assert.equal(200, status_of(old))
    assert.equal(200, status_of(kept))
    assert.equal(401, status_of(new))
    token.write_set(set_path, { keys.ES256, foreign })
    becomes(new, 200)
    assert.equal(401, status_of(old))
    assert.equal(200, status_of(kept))
    token.write_set(set_path, {})
    becomes(kept, 401)
    assert.equal(401, status_of(new))
    token.write_set(set_path, { keys.RS256 })
    becomes(old, 200)
  end)

  it("that is bad leaves the keys in force, and every problem is logged once", function()
    local good = token.sign(keys.RS256, { sub = "ann" })
    policies.write_file(set_path, '{"keys":[{"kty":"oct","kid":"weak","k":"c2hvcnQ"},{"kty":"EC","crv":"P-521"},{}]}')
    eventually(function() return statute:log():find("token_keys_stale", 1, true) end, 5 * server.patience)
    assert.equal(200, status_of(good))
    for _, problem in ipairs { "key 1 %('weak'%): k: expected a secret of at least 32 bytes, not of 5", "key 2: crv: expected P%-256", "key 3: kty: expected" } do
      assert.equal(1, count(statute:log(), "token_keys_bad[^\n]*" .. problem), problem)
    end
    os.remove(set_path)
    eventually(function() return statute:log():find("cannot be read: No such file", 1, true) end, 5 * server.patience)
    assert.equal(200, status_of(good))
    local seconds = os.time()
    eventually(function() return os.time() > seconds + 3 end, 10, "a few more looks")
    assert.equal(1, count(statute:log(), "token_keys_bad"))
    assert.equal(2, count(statute:log(), "token_keys_stale"))
    statute:signal("HUP")
    eventually(function() return count(statute:log(), "token_keys_stale") == 3 end, 5 * server.patience, "SIGHUP has it told again")
    token.write_set(set_path, { foreign })
    becomes(good, 401)
    assert.equal(200, status_of(token.sign(foreign, { sub = "ann" })))
  end)

  it("can be written anew a hundred times under load", function()
    local stay, come = token.sign(keys.ES256, { sub = "ann" }), token.sign(foreign, { sub = "ann" })
    local client, writes = http.connect(statute.port), 0
    for _ = 1, 100 do
      token.write_set(set_path, writes % 2 == 0 and { keys.ES256, foreign } or { keys.ES256 })
      statute:signal("HUP")
      writes = writes + 1
      assert.equal(200, client:get("/v1/machines", { Authorization = "Bearer " .. stay }).status)
      client:get("/v1/machines", { Authorization = "Bearer " .. come })
    end
    becomes(come, 401)
    assert.equal(200, status_of(stay))
  end)

  it("that ends half way at the start is an error that names what is wrong", function()
    local function fails(expected_status, content, ...)
      if content then policies.write_file(directory .. "/other.json", content) end
      local status, _, err = server.statute { "serve", "--listen", "127.0.0.1:0", "--policies", statute.policy_directory,
                                              "--store", "sqlite:" .. directory .. "/y.db", ... }
      assert.equal(expected_status, status, err)
      return err
    end
    local path = directory .. "/other.json"
    assert.truthy(fails(3, nil, "--auth", directory .. "/absent.json"):find("absent.json' cannot be read: No such file", 1, true))
    assert.truthy(fails(3, nil, "--auth", directory):find("it is not a file", 1, true))
    assert.truthy(fails(3, '{"keys":[', "--auth", path):find("line 1", 1, true))
    assert.truthy(fails(3, "{}", "--auth", path):find("expected a JWK Set", 1, true))
    local err = fails(3, '{"keys":[{"kty":"RSA","kid":"r1","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-256","d":"AA"}]}', "--auth", path)
    assert.truthy(err:find("key 1 ('r1'): expected an RSA key of 2048 to 8192 bits", 1, true), err)
    assert.truthy(err:find("key 2: d: this is the private part", 1, true), err)
    assert.truthy(fails(2, nil, "--auth", "keys", "--jwt-issuer", "x"):find("--auth FILE", 1, true))
    assert.truthy(fails(2, nil, "--auth", "none", "--jwt-audience", "x"):find("--auth FILE", 1, true))
    assert.truthy(fails(2, nil, "--auth", path, "--jwt-leeway", "2h"):find("jwt-leeway", 1, true))
  end)
end)
