local eventually = require "tests.support.eventually"
local http       = require "tests.support.http"
local policies   = require "tests.support.policies"
local server     = require "tests.support.server"
local socket     = require "socket"

local DOOR = [[ return machine "door" { initial = "SHUT", states = { SHUT = { to = { OPEN = true } }, OPEN = { to = { SHUT = true } } } } ]]

-- So many clients take one key in turn: acquire, renew, release. Nobody may have it between another's first two answers.
-- Returns the tokens in the order in which they came, `least` of them at least.
local function contend(ports, path, clients, least)
  local holder, tokens = nil, {}
  http.parallel(ports, function(client, answer, request)
    if not answer or request.method == "DELETE" then
      if answer then assert.equal(204, answer.status, answer.body) end
      return #tokens < least and { method = "POST", path = path, body = { wait_ms = 60000, ttl_ms = 60000 } } or nil
    end
    assert.equal(200, answer.status, answer.body)
    local body = { fencing_token = answer.json.fencing_token }
    if request.method == "POST" then
      assert.is_nil(holder)
      holder = client
      tokens[#tokens + 1] = answer.json.fencing_token
      return { method = "PUT", path = path, body = body }
    end
    assert.equal(client, holder)
    holder = nil
    return { method = "DELETE", path = path, body = body }
  end, clients, nil, 120)
  return tokens
end

describe("locks for applications", function()
  local statute

  setup(function() statute = server.start { policies = { ["door.lua"] = DOOR } } end)
  teardown(function() statute:stop() end)

  local function path(key) return "/v1/locks/" .. http.escape(key) end
  local function acquire(key, ttl_ms, wait_ms, client)
    return (client or statute.client):post(path(key), { ttl_ms = ttl_ms, wait_ms = wait_ms })
  end
  local function renew(key, token, ttl_ms)
    return statute.client:request("PUT", path(key), { fencing_token = token, ttl_ms = ttl_ms })
  end
  local function release(key, token)
    return statute.client:request("DELETE", path(key) .. "?fencing_token=" .. token)
  end
  local function held(answer) return http.expect(answer, 200).fencing_token end

  local keys = 0
  local function fresh()
    keys = keys + 1
    return "report:" .. keys
  end

  it("are granted with a token and an end", function()
    local key = "Übersicht / 50% of ?a=b #1"
    local answer = http.expect(acquire(key), 200)
    assert.equal(key, answer.key)
    assert.equal(1, answer.fencing_token)
    assert.truthy(answer.expires_at:find("^%d%d%d%d%-%d%d%-%d%dT.*Z$"))
    http.expect(release(key, 1), 204)
  end)

  it("take no body at all for an answer", function()
    local key = fresh()
    assert.equal(1, held(statute.client:request("POST", path(key))))
  end)

  it("are refused to others while they are held, at once", function()
    local key, started = fresh(), socket.gettime()
    held(acquire(key, 60000))
    local answer = acquire(key)
    http.expect(answer, 423, "lock_timeout")
    assert.truthy(tonumber(answer.headers["retry-after"]))
    assert.is_true(socket.gettime() - started < 1 * server.patience)
    assert.equal(1, held(acquire(fresh())))
  end)

  it("are free after a release, and the token grows", function()
    local key = fresh()
    for token = 1, 5 do
      assert.equal(token, held(acquire(key, 60000)))
      http.expect(release(key, token), 204)
    end
  end)

  it("can be released with a body as well as with a query", function()
    local key = fresh()
    local token = held(acquire(key, 60000))
    http.expect(statute.client:request("DELETE", path(key), { fencing_token = token + 1 }), 409, "lock_lost")
    http.expect(statute.client:request("DELETE", path(key), { fencing_token = token }), 204)
    http.expect(acquire(key), 200)
  end)

  it("are waited for, up to wait_ms", function()
    local key, started = fresh(), socket.gettime()
    held(acquire(key, 60000))
    http.expect(acquire(key, nil, 400), 423, "lock_timeout")
    local waited = socket.gettime() - started
    assert.is_true(waited >= 0.4 and waited < 3 * server.patience, waited)
  end)

  it("go to who waits as soon as they are released", function()
    local key = fresh()
    local token, started = held(acquire(key, 60000)), socket.gettime()
    local step = 0
    local answers = http.parallel(statute.port, function(client)
      if client == 1 then return step == 0 and { method = "POST", path = path(key), body = { wait_ms = 20000 } } or nil end
      step = step + 1
      if step == 1 then return { method = "POST", path = path(key), body = { wait_ms = 300 } } end
      if step == 2 then return { method = "DELETE", path = path(key) .. "?fencing_token=" .. token } end
    end, 2)
    local by_status = {} -- the last two come almost at once, in any order
    for _, answer in ipairs(answers) do by_status[answer.status] = answer end
    assert.equal(3, #answers)
    assert.equal(423, answers[1].status)
    assert.truthy(by_status[204])
    assert.equal(token + 1, by_status[200].json.fencing_token)
    assert.is_true(socket.gettime() - started < 5 * server.patience)
  end)

  it("come to those who wait in the order of asking", function()
    local key, count = fresh(), 8
    local token = held(acquire(key, 60000))
    local order, waiting = {}, {}
    for i = 1, count do
      waiting[i] = assert(socket.connect("127.0.0.1", statute.port))
      waiting[i]:send(http.bytes("POST", path(key), { wait_ms = 60000, ttl_ms = 60000 }))
      socket.sleep(0.01)
    end
    http.expect(release(key, token), 204)
    local deadline = socket.gettime() + 20 * server.patience
    while #order < count and socket.gettime() < deadline do
      for i, sock in pairs(waiting) do
        sock:settimeout(0.005)
        local _, _, partial = sock:receive("*a")
        if partial and partial:find("fencing_token", 1, true) then
          order[#order + 1] = i
          waiting[i] = nil
          http.expect(release(key, http.parse(partial, "POST").json.fencing_token), 204)
          sock:close()
        end
      end
    end
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8 }, order)
  end)

  it("exclude twenty clients from each other, with tokens that grow", function()
    local tokens = contend(statute.port, path(fresh()), 20, 200)
    assert.is_true(#tokens >= 200)
    for i, token in ipairs(tokens) do assert.equal(i, token) end
  end)

  it("end by themselves, and the next holder has a greater token", function()
    local key = fresh()
    local token = held(acquire(key, 100))
    assert.equal(token + 1, held(acquire(key, 60000, 20000)))
    http.expect(renew(key, token), 409, "lock_lost")
    http.expect(release(key, token), 409, "lock_lost")
    http.expect(acquire(key), 423, "lock_timeout")
  end)

  it("that expired are lost, even if nobody else took them", function()
    local key = fresh()
    local token = held(acquire(key, 30))
    eventually(function() return renew(key, token, 10).status == 409 end)
    http.expect(release(key, token), 409, "lock_lost")
    assert.equal(token + 1, held(acquire(key)))
  end)

  it("last for as long as they are renewed", function()
    local key = fresh()
    local token = held(acquire(key, 2000 * server.patience))
    local first
    for _ = 1, 4 do
      local answer = http.expect(renew(key, token, 60000), 200)
      assert.equal(token, answer.fencing_token)
      assert.equal(key, answer.key)
      assert.is_true(first == nil or answer.expires_at >= first)
      first = answer.expires_at
    end
    http.expect(acquire(key, nil, 100), 423, "lock_timeout")
    http.expect(renew(key, token, 50), 200)
    assert.equal(token + 1, held(acquire(key, nil, 20000)))
  end)

  it("are renewed and released by their holder only", function()
    local key = fresh()
    local token = held(acquire(key, 60000))
    for _, wrong in ipairs { token + 1, 4611686018427387904 } do
      http.expect(renew(key, wrong), 409, "lock_lost")
      http.expect(release(key, wrong), 409, "lock_lost")
    end
    http.expect(renew(key, token), 200)
    http.expect(release(key, token), 204)
    http.expect(renew(key, token), 409, "lock_lost")
    http.expect(release(key, token), 409, "lock_lost")
  end)

  it("that nobody ever held are not found", function()
    local key = fresh()
    http.expect(renew(key, 1), 404, "not_found")
    http.expect(release(key, 1), 404, "not_found")
  end)

  it("named as the engine's own make a transition wait, until they are released", function()
    statute:create("door", "d1")
    local key = "state_transition:door:d1"
    local token = held(acquire(key, 600000))
    local started = socket.gettime()
    local answer = statute:move("door", "d1", { to = "OPEN", options = { blocking_timeout_ms = 1000, max_retries = 0 } })
    http.expect(answer, 423, "lock_timeout")
    local waited = socket.gettime() - started
    assert.is_true(waited >= 1 and waited < 3 * server.patience, waited)
    http.expect(statute:move("door", "d1", { to = "OPEN", options = { lock = false } }), 200)
    http.expect(release(key, token), 204)
    http.expect(statute:move("door", "d1", "SHUT"), 200)
    assert.equal(token + 1, held(acquire(key)))
  end)

  it("are taken beside transitions that hold them for a moment", function()
    statute:create("door", "busy")
    local key = "state_transition:door:busy"
    local answers = http.parallel(statute.port, function(client, answer, request)
      local count = request and request.count or 0
      if count == 40 then return nil end
      if client > 2 then
        return { count = count + 1, method = "POST", path = "/v1/entities/door/busy/transitions",
                 body = { to = count % 2 == 0 and "OPEN" or "SHUT", options = { idempotent = true } } }
      elseif answer and answer.json and answer.json.fencing_token then
        return { count = count + 1, method = "DELETE", path = path(key), body = { fencing_token = answer.json.fencing_token } }
      end
      return { count = count + 1, method = "POST", path = path(key), body = { wait_ms = 20000 } }
    end, 6)
    for _, answer in ipairs(answers) do
      assert.truthy(answer.status == 200 or answer.status == 204 or answer.status == 409, answer.body)
    end
  end)

  it("that are malformed are refused, each with what is wrong", function()
    local client, key = statute.client, path(fresh())
    for _, case in ipairs {
      { "POST", key, { ttl_ms = 9 } }, { "POST", key, { ttl_ms = 3600001 } }, { "POST", key, { ttl_ms = "10" } },
      { "POST", key, { ttl_ms = 10.5 } }, { "POST", key, { wait_ms = -1 } }, { "POST", key, { wait_ms = 60001 } },
      { "POST", key, { wait_ms = true } }, { "POST", key, { ttl = 10 } }, { "POST", key, "[]" }, { "POST", key, "{" },
      { "POST", key, '{"ttl_ms":10,"ttl_ms":11}' }, { "POST", key .. "?ttl_ms=10", {} },
      { "POST", "/v1/locks/", {} }, { "POST", "/v1/locks/%00", {} }, { "POST", "/v1/locks/%0A", {} },
      { "POST", "/v1/locks/%7F", {} }, { "POST", "/v1/locks/%FF", {} }, { "POST", "/v1/locks/%4", {} },
      { "POST", "/v1/locks/" .. ("k"):rep(513), {} },
      { "PUT", key, {} }, { "PUT", key }, { "PUT", key, { fencing_token = 0 } }, { "PUT", key, { fencing_token = -1 } },
      { "PUT", key, { fencing_token = "1" } }, { "PUT", key, { fencing_token = 1, wait_ms = 1 } },
      { "PUT", key, { fencing_token = 1, ttl_ms = 0 } }, { "PUT", key .. "?fencing_token=1", {} },
      { "DELETE", key }, { "DELETE", key .. "?fencing_token=" }, { "DELETE", key .. "?fencing_token=x" },
      { "DELETE", key .. "?fencing_token=0" }, { "DELETE", key .. "?fencing_token=1&fencing_token=1" },
      { "DELETE", key .. "?token=1" }, { "DELETE", key, { fencing_token = 1.5 } }, { "DELETE", key, { ttl_ms = 10 } },
      { "DELETE", key .. "?fencing_token=1", { fencing_token = 2 } },
    } do
      local answer = client:request(case[1], case[2], case[3])
      local ok, why = pcall(http.expect, answer, 400, "bad_request")
      assert.is_true(ok, ("%s %s: %s"):format(case[1], case[2]:sub(1, 60), tostring(why)))
    end
    assert.truthy(client:request("PUT", key, {}).json.detail:find("POST /v1/locks", 1, true))
    assert.truthy(client:request("DELETE", key).json.detail:find("POST /v1/locks", 1, true))
    http.expect(client:get(key), 405, "method_not_allowed")
    http.expect(client:post("/v1/locks/a/b", {}), 404, "not_found")
    http.expect(client:post("/v1/locks/" .. ("k"):rep(512), {}), 200)
  end)

  it("hold up nobody else while somebody waits", function()
    local key = fresh()
    held(acquire(key, 60000))
    local waiting = assert(socket.connect("127.0.0.1", statute.port))
    waiting:send(http.bytes("POST", path(key), { wait_ms = 30000 }))
    statute:create("door", "free")
    local started = socket.gettime()
    for i = 1, 20 do http.expect(statute:move("door", "free", i % 2 == 1 and "OPEN" or "SHUT"), 200) end
    assert.is_true(socket.gettime() - started < 2 * server.patience)
    waiting:close()
  end)
end)

describe("locks of applications and a server that starts anew", function()
  it("are still held, their tokens still grow, and their holders can renew them", function()
    local statute = server.start { policies = { ["door.lua"] = DOOR } }
    local function call(method, key, body) return statute.client:request(method, "/v1/locks/" .. key, body) end
    assert.equal(1, http.expect(call("POST", "a", { ttl_ms = 600000 }), 200).fencing_token)
    assert.equal(1, http.expect(call("POST", "b", { ttl_ms = 600000 }), 200).fencing_token)
    http.expect(call("DELETE", "b", { fencing_token = 1 }), 204)
    statute:stop(true)
    statute:restart()
    http.expect(call("POST", "a", {}), 423, "lock_timeout")
    http.expect(call("PUT", "a", { fencing_token = 1, ttl_ms = 600000 }), 200)
    http.expect(call("POST", "a", {}), 423, "lock_timeout")
    http.expect(call("DELETE", "a", { fencing_token = 1 }), 204)
    assert.equal(2, http.expect(call("POST", "a", {}), 200).fencing_token)
    assert.equal(2, http.expect(call("POST", "b", {}), 200).fencing_token)
    statute:stop()
  end)

  it("are waited for in vain when it stops", function()
    local statute = server.start { policies = { ["door.lua"] = DOOR } }
    http.expect(statute.client:post("/v1/locks/stopping", { ttl_ms = 600000 }), 200)
    local waiting = {}
    for i = 1, 3 do
      waiting[i] = assert(socket.connect("127.0.0.1", statute.port))
      waiting[i]:send(http.bytes("POST", "/v1/locks/stopping", { wait_ms = 60000 }))
    end
    http.expect(statute.client:post("/v1/locks/stopping", { wait_ms = 200 }), 423, "lock_timeout")
    local started = socket.gettime()
    statute:stop()
    assert.is_true(socket.gettime() - started < 5 * server.patience)
    for _, sock in ipairs(waiting) do
      local bytes = sock:receive("*a")
      assert.equal(503, http.parse(bytes, "POST", true).status)
    end
  end)
end)

describe("locks of applications and rights", function()
  it("need the scope transition", function()
    local directory = policies.temporary()
    local store = server.new_store(directory)
    local function create(name, scopes)
      local _, out = server.statute { "token", "create", "--store", store, "--name", name, "--scopes", scopes }
      return { Authorization = "Bearer " .. out:match("st_%w+_%w+") }
    end
    local reader, writer = create("reader", "read,audit,admin"), create("writer", "transition")
    local statute = server.start { directory = directory, store = store, auth = false, policies = { ["door.lua"] = DOOR } }
    local client = statute.client
    http.expect(client:post("/v1/locks/guarded", {}), 401, "unauthenticated")
    http.expect(client:post("/v1/locks/guarded", {}, reader), 403, "permission_denied")
    http.expect(client:post("/v1/locks/guarded", {}, writer), 200)
    http.expect(client:request("PUT", "/v1/locks/guarded", { fencing_token = 1 }, reader), 403, "permission_denied")
    http.expect(client:request("DELETE", "/v1/locks/guarded", { fencing_token = 1 }, reader), 403, "permission_denied")
    http.expect(client:request("DELETE", "/v1/locks/guarded", { fencing_token = 1 }, writer), 204)
    statute:stop()
    server.drop_store(store)
  end)
end)

describe("locks of applications and a lock that is away", function()
  it("are refused, also where transitions go on with the row lock", function()
    local statute = server.start { policies = { ["door.lua"] = DOOR },
                                   arguments = { "--lock", "redis://127.0.0.1:1", "--lock-failure", "row-lock" } }
    statute:create("door", "d1")
    http.expect(statute:move("door", "d1", "OPEN"), 200)
    local answer = statute.client:post("/v1/locks/a", { wait_ms = 5000 })
    assert.equal("not_executed", http.expect(answer, 503, "lock_unavailable").outcome)
    assert.truthy(answer.headers["retry-after"])
    statute:stop()
  end)
end)

describe("the lock in the store", function()
  it("excludes the clients of several servers, where several may share a store", function()
    local several = server.store_kind == "postgresql"
    local statute = server.start { policies = { ["door.lua"] = DOOR }, nodes = several and 3 or 1, arguments = { "--lock", "store" } }
    statute:create("door", "d1")
    local key = "/v1/locks/" .. http.escape("state_transition:door:d1")
    local clients = {}
    for i, port in ipairs(statute.ports) do clients[i] = http.connect(port) end
    local last = clients[#clients]
    local token = http.expect(clients[1]:post(key, { ttl_ms = 600000 }), 200).fencing_token
    http.expect(last:post(key, { wait_ms = 100 }), 423, "lock_timeout")
    http.expect(last:post("/v1/entities/door/d1/transitions", { to = "OPEN", options = { blocking_timeout_ms = 300, max_retries = 0 } }), 423,
      "lock_timeout")
    http.expect(last:request("PUT", key, { fencing_token = token, ttl_ms = 600000 }), 200)
    http.expect(last:request("DELETE", key, { fencing_token = token }), 204)
    http.expect(last:post("/v1/entities/door/d1/transitions", { to = "OPEN" }), 200)
    assert.equal(token + 1, http.expect(clients[1]:post(key, {}), 200).fencing_token)

    local tokens = contend(statute.ports, "/v1/locks/shared", 9, 60)
    assert.is_true(#tokens >= 60)
    for i, number in ipairs(tokens) do assert.equal(i, number) end
    for _, client in ipairs(clients) do client:close() end
    statute:stop()
  end)
end)
