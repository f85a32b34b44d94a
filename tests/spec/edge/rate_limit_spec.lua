-- Callers that ask too often are refused, each on its own account.
local eventually = require "tests.support.eventually"
local http       = require "tests.support.http"
local server     = require "tests.support.server"

-- Asks until the first 429; fails when there is none within `most` requests.
local function exhaust(most, ask)
  for i = 1, most do
    local answer = ask()
    if answer.status == 429 then return answer, i end
  end
  error(("no 429 within %d requests"):format(most), 2)
end

local function refused(answer)
  http.expect(answer, 429, "rate_limited")
  assert.truthy(tonumber(answer.headers["retry-after"]) >= 1)
  assert.equal('"caller";q=5;w=5', answer.headers["ratelimit-policy"])
  assert.truthy(answer.headers.ratelimit:find('^"caller";r=0;t=%d+$'), answer.headers.ratelimit)
end

describe("a rate limit without keys", function()
  local statute
  before_each(function() statute = server.start { arguments = { "--rate-limit", "1", "--rate-burst", "5" } } end)
  after_each(function() statute:stop() end)

  it("counts by address: the burst passes, then the rate", function()
    local first = statute.client:get("/v1/machines")
    http.expect(first, 200)
    assert.equal('"caller";q=5;w=5', first.headers["ratelimit-policy"])
    assert.equal('"caller";r=4;t=1', first.headers.ratelimit)
    refused((exhaust(20, function() return statute.client:get("/v1/machines") end)))
    eventually(function() return statute.client:get("/v1/machines").status == 200 end, 5, "one more")
  end)

  it("is decided before the body is parsed, and keeps the connection", function()
    exhaust(20, function() return statute.client:get("/v1/machines") end)
    local kept = statute.client.connection
    refused((exhaust(4, function() return statute.client:post("/v1/entities/task", "{ no JSON") end)))
    assert.equal(kept, statute.client.connection)
    assert.is_false(kept.closed or false)
  end)

  it("counts calls of nothing too, but not what operators ask", function()
    exhaust(20, function() return statute.client:get("/nothing") end)
    for _, path in ipairs { "/livez", "/readyz", "/metrics", "/version", "/openapi.json" } do
      for _ = 1, 8 do
        local answer = statute.client:get(path)
        http.expect(answer, 200)
        assert.is_nil(answer.headers.ratelimit)
      end
    end
  end)

  it("is counted in the metrics", function()
    exhaust(20, function() return statute.client:get("/v1/machines") end)
    local page = statute.client:get("/metrics").body
    assert.truthy(page:find('statute_http_rate_limited_total{by="address"} 1\n', 1, true), page)
    assert.truthy(page:find('statute_http_rate_limited_total{by="key"} 0\n', 1, true))
  end)
end)

describe("a rate limit with keys", function()
  local statute, keys
  setup(function()
    local policies = require "tests.support.policies"
    local directory, made = policies.temporary(), {}
    local store = server.new_store(directory)
    for _, name in ipairs { "ann", "bob" } do
      local status, out, err = server.statute { "token", "create", "--store", store, "--name", name, "--scopes", "read,transition" }
      assert(status == 0, err)
      made[name] = { Authorization = "Bearer " .. assert(out:match("st_%w+_%w+"), out) }
    end
    keys = made
    statute = server.start { auth = "keys", directory = directory, store = store, arguments = { "--rate-limit", "1", "--rate-burst", "5" } }
  end)
  teardown(function() statute:stop() end)

  it("counts each key by itself, and wrong ones by address", function()
    local function wrong() return statute.client:get("/v1/machines", { Authorization = "Bearer st_0_0" }) end
    http.expect(wrong(), 401, "unauthenticated")
    refused((exhaust(20, wrong)))
    refused((exhaust(20, function() return statute.client:post("/v1/entities/task", { data = {} }) end)))
    http.expect(statute.client:get("/v1/machines", keys.ann), 200)
    refused((exhaust(20, function() return statute.client:get("/v1/machines", keys.ann) end)))
    http.expect(statute.client:get("/v1/machines", keys.bob), 200)
    assert.equal('"caller";r=3;t=1', statute.client:get("/v1/machines", keys.bob).headers.ratelimit)
  end)
end)

describe("wrong keys", function()
  local statute, right
  setup(function()
    local policies = require "tests.support.policies"
    local directory = policies.temporary()
    local store = server.new_store(directory)
    local status, out, err = server.statute { "token", "create", "--store", store, "--name", "ann", "--scopes", "read" }
    assert(status == 0, err)
    right = { Authorization = "Bearer " .. assert(out:match("st_%w+_%w+"), out) }
    statute = server.start { auth = "keys", directory = directory, store = store }
  end)
  teardown(function() statute:stop() end)

  it("are slowed down by address, without a word of configuration, and right ones are not", function()
    local function wrong() return statute.client:get("/v1/machines", { Authorization = "Bearer st_0_0" }) end
    http.expect(wrong(), 401, "unauthenticated")
    local answer, sent = exhaust(3000, wrong)
    http.expect(answer, 429, "rate_limited")
    assert.truthy(tonumber(answer.headers["retry-after"]) >= 1)
    assert.match("too many wrong keys", answer.json.detail)
    assert.is_true(sent >= 900)
    for _ = 1, 50 do http.expect(statute.client:get("/v1/machines", right), 200) end
    http.expect(statute.client:get "/v1/machines", 401, "unauthenticated")
    local page = statute.client:get("/metrics").body
    assert.truthy(page:find('statute_http_rate_limited_total{by="guess"} [1-9]'), page)
  end)
end)

it("without a rate limit nothing is counted", function()
  local statute = server.start {}
  for _ = 1, 50 do
    local answer = statute.client:get("/v1/machines")
    http.expect(answer, 200)
    assert.is_nil(answer.headers.ratelimit)
    assert.is_nil(answer.headers["ratelimit-policy"])
  end
  statute:stop()
end)

it("a burst without a rate is a mistake", function()
  local status, _, err = server.statute { "serve", "--rate-burst", "5" }
  assert.equal(2, status)
  assert.truthy(err:find("means nothing without --rate-limit", 1, true), err)
end)
