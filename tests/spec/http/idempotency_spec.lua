local http   = require "tests.support.http"
local server = require "tests.support.server"

local TAP = [[
return machine "tap" {
  initial = "SHUT",
  states = { SHUT = { to = { OPEN = { guard = function(tap) return tap.stuck ~= true, "It is stuck" end } } },
             OPEN = { to = { SHUT = true } } },
}
]]

describe("an idempotency key", function()
  local statute, taps = nil, 0

  setup(function() statute = server.start { policies = { ["tap.lua"] = TAP } } end)
  teardown(function() statute:stop() end)

  local function tap(data)
    taps = taps + 1
    return statute:create("tap", "tap-" .. taps, data or {}).id
  end

  local function key(name) return { ["Idempotency-Key"] = name } end

  it("repeats the first answer, and does nothing twice", function()
    local id = tap()
    local first = statute:move("tap", id, "OPEN", key "one")
    local again = statute:move("tap", id, "OPEN", key "one")
    http.expect(first, 200)
    http.expect(again, 200)
    assert.equal(first.body, again.body)
    assert.equal(first.headers.etag, again.headers.etag)
    assert.is_nil(first.headers["idempotency-replayed"])
    assert.equal("true", again.headers["idempotency-replayed"])
    assert.equal(2, statute:read("tap", id).json.version)
    assert.equal(2, #statute:history("tap", id))
  end)

  it("is for one query of a target", function()
    local id = tap()
    local function move(query) return statute.client:post("/v1/entities/tap/" .. id .. "/transitions" .. query, { to = "OPEN" }, key "query") end
    http.expect(move "?explain=true", 200)
    assert.equal("true", move("?explain=true").headers["idempotency-replayed"])
    for _, other in ipairs { "?explain=false", "?", "" } do assert.is_nil(move(other).headers["idempotency-replayed"], other) end
  end)

  it("repeats the first answer even after the entity went on", function()
    local id = tap()
    local first = statute:move("tap", id, "OPEN", key "later")
    http.expect(statute:move("tap", id, "SHUT"), 200)
    local again = statute:move("tap", id, "OPEN", key "later")
    assert.equal(first.body, again.body)
    assert.equal("SHUT", statute:read("tap", id).json.state)
  end)

  it("repeats refusals too", function()
    local id = tap { stuck = true }
    local first = statute:move("tap", id, "OPEN", key "refused")
    http.expect(first, 422, "guard_rejected")
    http.expect(statute.client:patch("/v1/entities/tap/" .. id, { data = { stuck = false } }), 200)
    local again = statute:move("tap", id, "OPEN", key "refused")
    http.expect(again, 422, "guard_rejected")
    assert.equal("true", again.headers["idempotency-replayed"])
  end)

  it("repeats a creation, with the same generated id", function()
    local first = statute.client:post("/v1/entities/tap", { data = { a = 1 } }, key "created")
    local again = statute.client:post("/v1/entities/tap", { data = { a = 1 } }, key "created")
    http.expect(first, 201)
    http.expect(again, 201)
    assert.equal(first.json.id, again.json.id)
    assert.equal(first.headers.location, again.headers.location)
  end)

  it("holds for PATCH", function()
    local id = tap()
    for _ = 1, 2 do
      http.expect(statute.client:patch("/v1/entities/tap/" .. id, { data = { n = 1 } }, key "patched"), 200)
    end
    assert.equal(2, #statute:history("tap", id))
  end)

  it("comes once", function()
    local id = tap()
    local twice = statute:move("tap", id, "OPEN", { ["Idempotency-Key"] = "a", ["idempotency-key"] = "b" })
    http.expect(twice, 400, "bad_request")
    assert.match("more than one Idempotency%-Key", twice.json.detail)
    assert.equal("SHUT", statute:read("tap", id).json.state)
  end)

  it("with another body is an error", function()
    local id = tap()
    http.expect(statute:move("tap", id, "OPEN", key "body"), 200)
    local other = statute:move("tap", id, { to = "OPEN", comments = "again" }, key "body")
    http.expect(other, 422, "idempotency_key_reused")
  end)

  it("with the same body written otherwise is the same request", function()
    local id = tap()
    local function move(body) return statute.client:post("/v1/entities/tap/" .. id .. "/transitions", body, key "written") end
    local first = move [[{"to":"OPEN","metadata":{"a":1,"b":[1,2]},"comments":"\u0061"}]]
    http.expect(first, 200)
    for _, body in ipairs { [[{"comments":"a","metadata":{"b":[1,2],"a":1.0},"to":"OPEN"}]], [[ { "to": "OPEN", "metadata": {"a":1,"b":[1,2]}, "comments": "a" } ]] .. "\n" } do
      local again = move(body)
      assert.equal(first.body, again.body)
      assert.equal("true", again.headers["idempotency-replayed"])
    end
    http.expect(move [[{"to":"OPEN","metadata":{"a":1,"b":[2,1]},"comments":"a"}]], 422, "idempotency_key_reused")
  end)

  it("belongs to one target", function()
    local first, second = tap(), tap()
    http.expect(statute:move("tap", first, "OPEN", key "target"), 200)
    local answer = statute:move("tap", second, "OPEN", key "target")
    http.expect(answer, 200)
    assert.is_nil(answer.headers["idempotency-replayed"])
    assert.equal("OPEN", statute:read("tap", second).json.state)
  end)

  it("sent by many at once acts once, and all get the same answer or are told to wait", function()
    local id = tap()
    local requests = {}
    for i = 1, 12 do
      requests[i] = { method = "POST", path = "/v1/entities/tap/" .. id .. "/transitions", body = { to = "OPEN" },
                      headers = key "crowd" }
    end
    local bodies, fresh = {}, 0
    for _, answer in ipairs(http.parallel(statute.port, requests, 12)) do
      if answer.status == 409 then
        http.expect(answer, 409, "request_in_flight")
      else
        http.expect(answer, 200)
        bodies[answer.body] = true
        if not answer.headers["idempotency-replayed"] then fresh = fresh + 1 end
      end
    end
    assert.equal(1, fresh)
    assert.is_nil(next(bodies, (next(bodies))))
    assert.equal(2, statute:read("tap", id).json.version)
    assert.equal(2, #statute:history("tap", id))
  end)

  describe("of a request that still waits for its lock", function()
    -- One request for each of the comments, all at once, while an application holds the entity for a moment.
    local function crowd(id, name, all_comments)
      http.expect(statute.client:post("/v1/locks/state_transition%3Atap%3A" .. id, { ttl_ms = 700 }), 200)
      local requests, by_code = {}, { done = {}, request_in_flight = {}, idempotency_key_reused = {} }
      for i, comments in ipairs(all_comments) do
        requests[i] = { method = "POST", path = "/v1/entities/tap/" .. id .. "/transitions", headers = key(name),
                        body = { to = "OPEN", comments = comments } }
      end
      for _, answer in ipairs(http.parallel(statute.port, requests, #requests)) do
        table.insert(by_code[answer.json.code or "done"], answer)
      end
      return by_code
    end

    it("is in flight for everybody else who sends it, and then has its answer", function()
      local id = tap()
      local answers = crowd(id, "flight", { "same", "same", "same" })
      assert.equal(1, #answers.done)
      assert.equal(2, #answers.request_in_flight)
      for _, answer in ipairs(answers.request_in_flight) do
        http.expect(answer, 409, "request_in_flight")
        assert.equal("1", answer.headers["retry-after"])
      end
      local again = statute:move("tap", id, { to = "OPEN", comments = "same" }, key "flight")
      assert.equal(answers.done[1].body, again.body)
      assert.equal("true", again.headers["idempotency-replayed"])
      assert.equal(2, #statute:history("tap", id))
    end)

    it("is an error with another body", function()
      local answers = crowd(tap(), "flight of two", { "one", "other" })
      assert.equal(1, #answers.done)
      assert.equal(1, #answers.idempotency_key_reused)
      http.expect(answers.idempotency_key_reused[1], 422, "idempotency_key_reused")
    end)
  end)

  it("must be printable and of a sensible length", function()
    local id = tap()
    http.expect(statute:move("tap", id, "OPEN", key(("k"):rep(300))), 400, "bad_request")
    http.expect(statute:move("tap", id, "OPEN", key "k\u{e9}"), 400, "bad_request")
    http.expect(statute:move("tap", id, "OPEN", key(("k"):rep(200))), 200)
  end)

  it("outlives the server", function()
    local id = tap()
    local first = statute:move("tap", id, "OPEN", key "survivor")
    statute:stop(true)
    statute:restart()
    local again = statute:move("tap", id, "OPEN", key "survivor")
    assert.equal(first.body, again.body)
    assert.equal("true", again.headers["idempotency-replayed"])
  end)
end)
