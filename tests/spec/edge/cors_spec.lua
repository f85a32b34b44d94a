-- Pages of other sites: those that were named may call and read what is answered, no others.
local http   = require "tests.support.http"
local server = require "tests.support.server"

local APP, OTHER = "https://app.example", "http://localhost:3000"

describe("pages of named sites", function()
  local statute
  setup(function() statute = server.start { arguments = { "--cors-origin", APP .. "," .. OTHER, "--rate-limit", "1000" } } end)
  teardown(function() statute:stop() end)

  local function readable(answer, origin)
    assert.equal(origin, answer.headers["access-control-allow-origin"])
    assert.equal("Origin", answer.headers.vary)
    assert.is_nil(answer.headers["access-control-allow-credentials"])
    for _, name in ipairs { "ETag", "Location", "X-Request-Id", "Idempotency-Replayed", "Retry-After", "RateLimit", "RateLimit-Policy", "Allow" } do
      assert.truthy((", " .. answer.headers["access-control-expose-headers"] .. ","):find(", " .. name .. ",", 1, true), name)
    end
  end

  local function preflight(path, origin, method)
    return statute.client:request("OPTIONS", path, nil, { Origin = origin, ["Access-Control-Request-Method"] = method or "POST" })
  end

  it("may call, and read the answer", function()
    for _, origin in ipairs { APP, OTHER } do
      local answer = statute.client:request("POST", "/v1/entities/task", { data = {} }, { Origin = origin })
      http.expect(answer, 201)
      readable(answer, origin)
    end
  end)

  it("can read errors, those before routing too", function()
    readable(statute.client:get("/v1/entities/task/none", { Origin = APP }), APP)
    readable(statute.client:get("/nothing", { Origin = APP }), APP)
    readable(statute.client:request("DELETE", "/v1/machines", nil, { Origin = APP }), APP)
    local late = http.connect(statute.port):request("POST", "/v1/entities/task", nil, { Origin = APP, ["Content-Length"] = "99999999" })
    http.expect(late, 413, "payload_too_large")
    readable(late, APP)
  end)

  it("ask first, and are told what the path takes", function()
    local answer = preflight("/v1/entities/task/t1", APP, "PATCH")
    assert.equal(204, answer.status)
    readable(answer, APP)
    assert.equal("GET, HEAD, PATCH", answer.headers["access-control-allow-methods"])
    assert.equal("600", answer.headers["access-control-max-age"])
    for _, name in ipairs { "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-Request-Id" } do
      assert.truthy(answer.headers["access-control-allow-headers"]:find(name, 1, true), name)
    end
    assert.is_nil(answer.headers.ratelimit)
    http.expect(preflight("/nothing", APP), 404, "not_found")
  end)

  it("are compared exactly", function()
    for _, origin in ipairs { "https://app.example:8443", "http://app.example", "https://app.example.evil", "https://evil-app.example", "null",
                              "https://APP.example", "https://app.example/" } do
      local answer = statute.client:request("POST", "/v1/entities/task", { data = {} }, { Origin = origin })
      http.expect(answer, 403, "permission_denied")
      assert.is_nil(answer.headers["access-control-allow-origin"])
      assert.equal("Origin", answer.headers.vary)
      answer = preflight("/v1/entities/task", origin)
      http.expect(answer, 403, "permission_denied")
      assert.is_nil(answer.headers["access-control-allow-methods"])
    end
  end)

  it("are no longer all that may call: this server's own may too", function()
    http.expect(statute.client:get("/v1/machines", { Origin = "http://statute.test" }), 200)
    http.expect(statute.client:get("/v1/machines", { Origin = "https://statute.test" }), 200)
  end)
end)

it("keys that are refused can be read about", function()
  local statute = server.start { auth = "keys", arguments = { "--cors-origin", APP, "--rate-limit", "1", "--rate-burst", "2" } }
  local last
  for _ = 1, 4 do
    last = statute.client:post("/v1/entities/task", { data = {} }, { Origin = APP })
    assert.equal(APP, last.headers["access-control-allow-origin"])
    if last.status == 429 then break end
    http.expect(last, 401, "unauthenticated")
  end
  http.expect(last, 429, "rate_limited")
  statute:stop()
end)

describe("without named sites", function()
  local statute
  setup(function() statute = server.start {} end)
  teardown(function() statute:stop() end)

  it("no answer is for other pages, and nobody may ask first", function()
    local answer = statute.client:get("/v1/machines")
    assert.is_nil(answer.headers.vary)
    assert.is_nil(answer.headers["access-control-allow-origin"])
    answer = statute.client:request("OPTIONS", "/v1/machines", nil, { Origin = APP, ["Access-Control-Request-Method"] = "GET" })
    http.expect(answer, 405, "method_not_allowed")
  end)

  it("answers say that they are what they say, and for whom", function()
    for _, path in ipairs { "/v1/entities/task", "/nothing", "/livez" } do
      local headers = statute.client:get(path).headers
      assert.equal("nosniff", headers["x-content-type-options"])
      assert.equal("no-store", headers["cache-control"])
      assert.is_nil(headers["strict-transport-security"])
    end
    assert.is_nil(statute.client:get("/openapi.json").headers["cache-control"])
    assert.equal("no-cache", statute.client:get("/v1/machines").headers["cache-control"])
  end)
end)

describe("an origin that is none:", function()
  for _, origin in ipairs { "https://app.example/", "app.example", "https://", "https://App.example", "https://app.example:443", "http://x:80",
                            "https://a b", "https://a,", "null", "https://a:99999", "https://u@a", "https://*.a.example", "https://[::1" } do
    it(origin, function()
      local status, _, err = server.statute { "serve", "--cors-origin", origin }
      assert.equal(2, status, err)
      assert.truthy(err:find("is not an origin as browsers send it", 1, true), err)
    end)
  end

  it("*", function()
    local status, _, err = server.statute { "serve", "--cors-origin", "*" }
    assert.equal(2, status)
    assert.truthy(err:find("every page of the web", 1, true), err)
  end)
end)
