-- API keys that are bound to machines: every call of the route table, for the machines and for all others.
local http     = require "tests.support.http"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local SOURCE = [[
local function plain(name) return machine(name) { initial = "A", states = { A = { to = { B = true } }, B = {} } } end
return { plain "mine", plain "ours", plain "theirs", access "record" { actions = { read = "r" } } }
]]

describe("a key that is bound to machines", function()
  local statute, directory, store, all, one, two, auditor

  local function create(name, scopes, ...)
    local status, out, err = server.statute { "token", "create", "--store", store, "--name", name, "--scopes", scopes, ... }
    assert(status == 0, err)
    return assert(out:match("st_%w+_%w+"), out)
  end
  local function as(token) return http.connect(statute.port, { Authorization = "Bearer " .. token }) end

  setup(function()
    directory = policies.temporary()
    store = server.new_store(directory)
    local admin = create("admin", "read,transition,act_as,system,audit,admin")
    local mine = create("mine", "read,transition,act_as,system,audit", "--machines", "mine")
    local both = create("both", "read,transition,act_as,system,audit", "--machines", "mine,ours")
    statute = server.start { directory = directory, store = store, auth = "keys", policies = { ["all.lua"] = SOURCE } }
    all, one, two = as(admin), as(mine), as(both)
    for _, name in ipairs { "mine", "ours", "theirs" } do http.expect(all:post("/v1/entities/" .. name, { id = "1" }), 201) end
    auditor = as(http.expect(all:post("/v1/tokens", { name = "auditor", scopes = { "audit", "read" }, machines = { "theirs" } }), 201).token)
  end)
  teardown(function()
    statute:stop()
    server.drop_store(store)
  end)

  local function refused(answer) return http.expect(answer, 403, "permission_denied") end

  it("reads and changes the entities of these alone", function()
    local calls = {
      function(c, m) return c:post("/v1/entities/" .. m, { id = "2" }) end,
      function(c, m) return c:get("/v1/entities/" .. m) end,
      function(c, m) return c:get("/v1/entities/" .. m .. "/1") end,
      function(c, m) return c:patch("/v1/entities/" .. m .. "/1", { data = { a = 1 } }) end,
      function(c, m) return c:get("/v1/entities/" .. m .. "/1/transitions") end,
      function(c, m) return c:post("/v1/entities/" .. m .. "/1/transitions", { to = "B" }) end,
      function(c, m) return c:get("/v1/entities/" .. m .. "/1/history") end,
      function(c, m) return c:get("/v1/stats/states/" .. m) end,
      function(c, m) return c:get("/v1/machines/" .. m) end,
      function(c, m) return c:get("/v1/machines/" .. m .. "/diagram.dot") end,
      function(c, m) return c:post("/v1/sanitize", { machine = m, comments = "x" }) end,
      function(c, m) return c:get("/v1/audit?machine=" .. m) end,
      function(c, m) return c:post("/v1/locks/state_transition:" .. m .. ":9", { ttl_ms = 10 }) end,
      function(c, m) return c:post("/v1/batches", { machine = m, ids = { "1" }, to = "B", dry_run = true }) end,
      function(c, m)
        return c:post("/access/v1/evaluation", { subject = { type = "u", id = "1" }, action = { name = "B" }, resource = { type = m, id = "1" } })
      end,
      function(c, m)
        return c:post("/access/v1/evaluations", { subject = { type = "u", id = "1" }, action = { name = "B" },
                                                  evaluations = { { resource = { type = m, id = "1" } } } })
      end,
      function(c, m) return c:post("/access/v1/search/resource", { subject = { type = "u", id = "1" }, action = { name = "B" }, resource = { type = m } }) end,
      function(c, m) return c:post("/access/v1/search/action", { subject = { type = m, id = "1" }, resource = { type = "record", id = "1" } }) end,
    }
    for i, call in ipairs(calls) do
      local answer = call(one, "mine")
      assert.is_true(answer.status < 300, i .. ": " .. answer.body)
      assert.truthy(refused(call(one, "theirs")).detail:find("bound to other machines than 'theirs'", 1, true))
      refused(call(two, "theirs"))
    end
    http.expect(all:get "/v1/entities/theirs/2", 404)
    assert.equal("A", http.expect(all:get "/v1/entities/theirs/1", 200).state)
  end)

  it("sees these alone in lists", function()
    local function names(client)
      local list = {}
      for _, item in ipairs(http.expect(client:get "/v1/machines", 200).machines) do list[#list + 1] = item.name end
      return table.concat(list, " ")
    end
    assert.equal("mine", names(one))
    assert.equal("mine ours", names(two))
    assert.equal("mine ours theirs", names(all))
  end)

  it("finds records of these alone", function()
    for _, item in ipairs(http.expect(one:get "/v1/audit", 200).items) do assert.equal("mine", item.machine) end
    for _, item in ipairs(http.expect(auditor:get "/v1/audit", 200).items) do assert.equal("theirs", item.machine) end
    refused(auditor:get "/v1/audit?machine=mine")
    assert.truthy(http.expect(two:get "/v1/audit", 400, "bad_request").detail:find("name one", 1, true))
  end)

  it("has to do with batches of these alone", function()
    local batch = http.expect(all:post("/v1/batches", { machine = "theirs", ids = { "1" }, to = "B" }), 200).id
    local own = http.expect(one:post("/v1/batches", { machine = "mine", ids = { "1" }, to = "B" }), 200).id
    for _, client in ipairs { one, two } do
      http.expect(client:get("/v1/batches/" .. batch), 404, "not_found")
      for _, wish in ipairs { "pause", "resume", "cancel" } do
        http.expect(client:post("/v1/batches/" .. batch .. "/" .. wish), 404, "not_found")
      end
      local listed = http.expect(client:get "/v1/batches", 200).items
      assert.equal(1, #listed)
      assert.equal(own, listed[1].id)
    end
    assert.equal(2, #http.expect(all:get "/v1/batches", 200).items)
  end)

  it("is told from others in the list of keys", function()
    for _, item in ipairs(http.expect(all:get "/v1/tokens", 200).items) do
      if item.name == "both" then
        assert.same({ "mine", "ours" }, item.machines)
        assert.same({ "read", "transition", "act_as", "system", "audit" }, item.scopes)
      elseif item.name == "admin" then
        assert.is_nil(item.machines)
      end
    end
    local _, out = server.statute { "token", "list", "--store", store }
    assert.truthy(out:match("both%s+%x+%s+read, transition, act_as, system, audit%s+mine, ours"), out)
    assert.truthy(out:match("admin%s+%x+%s+read,[%w_, ]+%s+all"), out)
  end)

  it("is no administrator, and names machines", function()
    for _, wrong in ipairs { { scopes = { "admin" }, machines = { "mine" } }, { scopes = { "read" }, machines = { "a b" } } } do
      wrong.name = "wrong"
      local problem = http.expect(all:post("/v1/tokens", wrong), 400, "bad_request")
      assert.truthy(problem.detail:find("machines: ", 1, true), problem.detail)
    end
    local status, _, err = server.statute { "token", "create", "--store", store, "--name", "x", "--scopes", "admin", "--machines", "mine" }
    assert.equal(2, status)
    assert.truthy(err:find("cannot be bound", 1, true), err)
  end)

  it("cannot make calls that are about more", function()
    refused(one:get "/v1/policies")
    http.expect(one:get "/readyz", 200)
    http.expect(one:get "/v1/time/zones", 200)
  end)
end)

describe("an API key's roles and permissions", function()
  it("deny nothing, and a role may be held within a tenant", function()
    local directory = policies.temporary()
    local store = server.new_store(directory)
    for _, wrong in ipairs { "!doc.delete", "-doc.delete", "deny:doc.delete" } do
      local status, _, err = server.statute { "token", "create", "--store", store, "--name", "x", "--scopes", "read", "--permissions=" .. wrong }
      assert.equal(2, status)
      assert.truthy(err:find("a key cannot deny anything", 1, true), err)
    end
    local status, out, err = server.statute { "token", "create", "--store", store, "--name", "ann", "--scopes", "read,transition",
                                              "--roles", "worker@acme" }
    assert.equal(0, status, err)
    local statute = server.start { directory = directory, store = store, auth = "keys", policies = { ["job.lua"] = [[
      return { roles { worker = { "job.start" } }, machine "job" { initial = "A", within = "tenant",
        states = { A = { to = { B = { permit = "job.start" } } }, B = {} } } }
    ]] } }
    local client = http.connect(statute.port, { Authorization = "Bearer " .. out:match("st_%w+_%w+") })
    for tenant, expected in pairs { acme = 200, other = 403 } do
      http.expect(client:post("/v1/entities/job", { id = tenant, data = { tenant = tenant } }), 201)
      http.expect(client:post("/v1/entities/job/" .. tenant .. "/transitions", { to = "B" }), expected)
    end
    statute:stop()
    server.drop_store(store)
  end)
end)
