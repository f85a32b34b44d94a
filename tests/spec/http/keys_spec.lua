local eventually = require "tests.support.eventually"
local http       = require "tests.support.http"
local policies   = require "tests.support.policies"
local server     = require "tests.support.server"

local DOOR = [[
return machine "door" {
  initial = "SHUT",
  states = { SHUT = { to = { OPEN = { permit = "door.open" }, LOST = true } }, OPEN = { to = { SHUT = true } }, LOST = {} },
}
]]
local FUSE = [[ return machine "fuse" { initial = "LIT", states = { LIT = { after = { delay = "30d", to = "OUT" }, to = {} }, OUT = {} } } ]]
local ROLES = [[ return roles { porter = { "door.open" } } ]]

describe("API keys", function()
  local statute, directory, store
  local keys = {}

  local function token(...) return server.statute { "token", ... } end

  local function create(name, scopes, ...)
    local status, out, err = token("create", "--store", store, "--name", name, "--scopes", scopes, ...)
    assert(status == 0, err)
    return assert(out:match("st_%w+_%w+"), out)
  end

  setup(function()
    directory = policies.temporary()
    store = server.new_store(directory)
    keys.reader    = create("reader", "read")
    keys.porter    = create("porter", "read,transition", "--roles", "porter")
    keys.opener    = create("opener", "transition", "--permissions", "door.open,door.paint")
    keys.app       = create("app", "read,transition,act_as")
    keys.importer  = create("importer", "read,transition,system")
    keys.auditor   = create("auditor", "audit")
    keys.inspector = create("inspector", "read,audit")
    keys.admin     = create("admin", "admin")
    keys.shortlived = create("shortlived", "read", "--expires", "30d")
    keys.goner     = create("goner", "read")
    statute = server.start { directory = directory, store = store, auth = false, policies = { ["door.lua"] = DOOR, ["fuse.lua"] = FUSE, ["roles.lua"] = ROLES } }
  end)
  teardown(function()
    statute:stop()
    server.drop_store(store)
  end)

  local function as(name)
    local client = http.connect(statute.port, { Authorization = "Bearer " .. keys[name] })
    return client
  end

  local doors = 0
  local function door()
    doors = doors + 1
    local id = "d" .. doors
    http.expect(as("porter"):post("/v1/entities/door", { id = id }), 201)
    return "/v1/entities/door/" .. id
  end

  it("are needed for everything but a few", function()
    for _, path in ipairs { "/v1/machines", "/v1/entities/door/x", "/v1/audit", "/v1/policies" } do
      local answer = statute.client:get(path)
      http.expect(answer, 401, "unauthenticated")
      assert.truthy(answer.headers["www-authenticate"]:find("^Bearer"))
    end
    for _, path in ipairs { "/livez", "/readyz", "/version", "/metrics", "/openapi.json" } do
      assert.equal(200, statute.client:get(path).status, path)
    end
  end)

  it("must be right to the last character", function()
    local good = keys.reader
    for _, header in ipairs {
      "Bearer " .. good:sub(1, -2), "Bearer " .. good .. "0", "Bearer " .. good:sub(1, -2) .. (good:sub(-1) == "0" and "1" or "0"),
      "Bearer", "Bearer ", good, "Basic " .. good, "Bearer x", "Bearer " .. good .. " x", "Bearer " .. ("x"):rep(5000),
    } do
      http.expect(http.connect(statute.port):get("/v1/machines", { Authorization = header }), 401, "unauthenticated")
    end
    http.expect(as("reader"):get("/v1/machines"), 200)
    http.expect(http.connect(statute.port):get("/v1/machines", { Authorization = "bearer " .. good }), 200)
  end)

  it("with the scope read may read and nothing else", function()
    local path = door()
    http.expect(as("reader"):get(path), 200)
    http.expect(as("reader"):get(path .. "/history"), 200)
    http.expect(as("reader"):post(path .. "/transitions", { to = "LOST" }), 403, "permission_denied")
    http.expect(as("reader"):post("/v1/entities/door", {}), 403, "permission_denied")
    http.expect(as("reader"):patch(path, { data = {} }), 403, "permission_denied")
    http.expect(as("reader"):get("/v1/audit"), 403, "permission_denied")
    http.expect(as("reader"):post("/v1/policies/reload"), 403, "permission_denied")
    http.expect(as("reader"):post("/v1/batches", { machine = "door", ids = { "x" }, to = "LOST" }), 403, "permission_denied")
  end)

  it("with the scope transition act as themselves, with their roles and permissions", function()
    for _, name in ipairs { "porter", "opener" } do
      local path = door()
      http.expect(as(name):post(path .. "/transitions", { to = "OPEN" }), 200)
      local records = http.expect(as("porter"):get(path .. "/history"), 200).items
      assert.equal(name, records[2].actor.id)
    end
    http.expect(as("importer"):post(door() .. "/transitions", { to = "OPEN" }), 403, "permission_denied")
  end)

  it("may not speak for others without act_as", function()
    local path = door()
    local request = { to = "OPEN", actor = { id = "boss", permissions = { "door.open" } } }
    http.expect(as("porter"):post(path .. "/transitions", request), 403, "permission_denied")
    http.expect(as("importer"):post(path .. "/transitions", request), 403, "permission_denied")
    http.expect(as("app"):post(path .. "/transitions", request), 200)
    assert.equal("boss", http.expect(as("app"):get(path .. "/history"), 200).items[2].actor.id)
    http.expect(as("porter"):get(path .. "/transitions?actor=boss&permissions=*"), 403, "permission_denied")
    http.expect(as("porter"):post("/v1/batches", { machine = "door", ids = { "x" }, to = "LOST", actor = { id = "boss" } }), 403,
      "permission_denied")
  end)

  it("may not skip permissions or choose a state without system", function()
    local path = door()
    local request = { to = "OPEN", options = { skip_permissions = true } }
    http.expect(as("app"):post(path .. "/transitions", request), 403, "permission_denied")
    http.expect(as("importer"):post(path .. "/transitions", request), 200)
    http.expect(as("app"):post("/v1/entities/door", { state = "LOST" }), 403, "permission_denied")
    http.expect(as("importer"):post("/v1/entities/door", { state = "LOST" }), 201)
    http.expect(as("app"):post("/v1/entities/door", { state = "SHUT" }), 201)
  end)

  it("take no way that a timer alone has, not even with system", function()
    local importer = http.connect(statute.port, { Authorization = "Bearer " .. keys.importer })
    http.expect(importer:post("/v1/entities/fuse", { id = "f1" }), 201)
    for _, reason in ipairs { "timer", "system_auto", "user_action" } do
      local attempt = { to = "OUT", reason = reason, options = { skip_permissions = true } }
      http.expect(importer:post("/v1/entities/fuse/f1/transitions", attempt), 409, "invalid_transition")
    end
  end)

  it("with the scope audit may search the audit", function()
    http.expect(as("auditor"):get("/v1/audit"), 200)
    http.expect(as("auditor"):get("/v1/machines"), 403, "permission_denied")
  end)

  it("with the scope admin may reload, and only that", function()
    http.expect(as("admin"):post("/v1/policies/reload"), 200)
    http.expect(as("admin"):get("/v1/audit"), 403, "permission_denied")
    http.expect(as("admin"):get("/v1/machines"), 403, "permission_denied")
  end)

  it("with a time to live work until then", function()
    http.expect(as("shortlived"):get("/v1/machines"), 200)
  end)

  it("keep idempotency keys apart", function()
    local path = door()
    local headers = { ["Idempotency-Key"] = "shared" }
    http.expect(as("porter"):post(path .. "/transitions", { to = "OPEN" }, headers), 200)
    local other = as("opener"):post(path .. "/transitions", { to = "OPEN" }, headers)
    http.expect(other, 409, "invalid_transition")
  end)

  it("keep the time of their first revocation", function()
    local admin = as("admin")
    local made = http.expect(admin:post("/v1/tokens", { name = "twice", scopes = { "read" } }), 201)
    local first = http.expect(admin:request("DELETE", "/v1/tokens/twice"), 200).revoked_at
    assert.equal(first, http.expect(admin:request("DELETE", "/v1/tokens/twice"), 200).revoked_at)
    assert.equal(first, http.expect(admin:request("DELETE", "/v1/tokens/" .. made.id), 200).revoked_at)
  end)

  it("made and revoked over HTTP count before the answer comes", function()
    local admin = as("admin")
    for i = 1, 20 do
      local made = http.expect(admin:post("/v1/tokens", { name = "guest " .. i, scopes = { "read" } }), 201)
      local guest = http.connect(statute.port, { Authorization = "Bearer " .. made.token })
      http.expect(guest:get("/v1/machines"), 200)
      http.expect(admin:request("DELETE", "/v1/tokens/" .. made.id), 200)
      http.expect(guest:get("/v1/machines"), 401, "unauthenticated")
      guest:close()
    end
  end)

  it("that are revoked stop working within seconds", function()
    local client = as("goner")
    http.expect(client:get("/v1/machines"), 200)
    statute:stop(true)
    assert.equal(0, (token("revoke", "goner", "--store", store)))
    statute:restart()
    eventually(function() return as("goner"):get("/v1/machines").status == 401 end, 5)
    http.expect(as("reader"):get("/v1/machines"), 200)
  end)

  it("are never shown again, and not stored in the clear", function()
    local status, out = token("list", "--store", store)
    local stored = server.stored(store)
    assert.equal(0, status)
    assert.truthy(stored:find("reader", 1, true))
    for name, key in pairs(keys) do
      assert.truthy(out:find(name, 1, true), name)
      assert.is_nil(out:find(key, 1, true))
      assert.is_nil(stored:find(key:match("_(%w+)$"), 1, true))
    end
    assert.is_nil(statute:log():find(keys.reader, 1, true))
  end)

  it("show what a value is hashed to only to who may search the audit", function()
    local asked = { metadata = { a = 1 } }
    assert.is_nil(http.expect(as "reader":post("/v1/sanitize", asked), 200).hashes)
    assert.same({}, http.expect(as "inspector":post("/v1/sanitize", asked), 200).hashes)
  end)

  it("need a name of their own, and scopes that exist", function()
    assert.not_equal(0, (token("create", "--store", store, "--name", "reader", "--scopes", "read")))
    assert.equal(2, (token("create", "--store", store, "--name", "odd", "--scopes", "read,fly")))
    assert.equal(2, (token("create", "--store", store, "--scopes", "read")))
    assert.equal(1, (token("revoke", "nobody", "--store", store)))
  end)
end)

describe("authentication of none", function()
  it("is refused on an address that others can reach", function()
    local directory = policies.temporary()
    local status, _, err = server.statute { "serve", "--listen", "0.0.0.0:0", "--auth", "none", "--policies", "policies",
                                            "--store", "sqlite:" .. directory .. "/x.db" }
    policies.remove(directory)
    assert.equal(2, status, err)
    assert.truthy(err:find("loopback", 1, true) or err:find("127.0.0.1", 1, true), err)
  end)
end)
