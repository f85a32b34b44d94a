-- Lists of entities and batches: order, filters, counts, pages; and queries that nothing knows.
local eventually = require "tests.support.eventually"
local http   = require "tests.support.http"
local server = require "tests.support.server"

local TASK = [[
return machine "task" {
  initial = "NEW",
  fields = {
    customer = { type = "string", index = true }, amount = { type = "integer", index = true }, urgent = { type = "boolean", index = true },
    due = { type = "datetime", index = true }, note = "string",
  },
  states = { NEW = { to = { DONE = { name = "finish", guard = function(task) return task.customer ~= "c9", "Not this one" end } } }, DONE = { final = true } },
}
]]

describe("a list of entities", function()
  local statute

  setup(function()
    statute = server.start { policies = { ["task.lua"] = TASK } }
    for i = 1, 20 do
      statute:create("task", "t" .. i, { customer = "c" .. i % 3, amount = i % 4, urgent = i % 2 == 0, due = "2025-10-01T05:30:00+05:30", note = "n" })
    end
    for i = 1, 5 do statute:move("task", "t" .. i, "DONE") end
  end)
  teardown(function() statute:stop() end)

  local function get(query) return statute.client:get("/v1/entities/task" .. query) end

  local function ids(query)
    local list, cursor = {}, nil
    repeat
      local page = http.expect(get(query .. (cursor and "&cursor=" .. cursor or "")), 200)
      for _, item in ipairs(page.items) do list[#list + 1] = item.id:sub(2) end
      cursor = page.next_cursor
    until not cursor
    return table.concat(list, " ")
  end

  it("goes from the oldest or from the newest", function()
    assert.equal("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20", ids "?order=oldest&limit=7")
    assert.equal("20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1", ids "?order=newest&limit=6")
    assert.equal("5 4 3 2 1", ids "?order=newest&limit=2&state=DONE")
    local cursor = http.expect(get "?limit=2", 200).next_cursor
    http.expect(get("?limit=2&order=newest&cursor=" .. cursor), 400, "bad_request")
    http.expect(get "?order=up", 400, "bad_request")
  end)

  it("is filtered by indexed fields, each in its own type", function()
    assert.equal("1 4 7 10 13 16 19", ids "?customer=c1&limit=2")
    assert.equal("4 16", ids "?customer=c1&amount=0&urgent=true")
    assert.equal("19 16 13 10 7", ids "?customer=c1&state=NEW&order=newest&limit=2")
    assert.equal(20, select(2, ids("?due=" .. http.escape "2025-10-01T00:00:00Z"):gsub("%d+", "")))
    assert.equal(20, select(2, ids("?due=" .. http.escape "2025-10-01T01:00:00+01:00"):gsub("%d+", "")))
    assert.equal("", ids "?customer=c%27%20OR%201")
    assert.equal("", ids "?amount=77")
  end)

  it("says how a field is filtered by that is not indexed", function()
    local problem = http.expect(get "?note=n", 400, "bad_request")
    assert.truthy(problem.detail:find("index = true", 1, true), problem.detail)
    problem = http.expect(get "?custommer=n", 400, "bad_request")
    assert.truthy(problem.detail:find("did you mean 'customer'?", 1, true), problem.detail)
    http.expect(get "?amount=many", 400, "bad_request")
    http.expect(get "?urgent=1", 400, "bad_request")
    http.expect(get "?customer=c1&customer=c2", 400, "bad_request")
  end)

  it("follows the values of a field", function()
    statute:create("task", "x1", { customer = "moving" })
    assert.equal("1", ids "?customer=moving")
    http.expect(statute.client:patch("/v1/entities/task/x1", { data = { customer = "moved" } }), 200)
    assert.equal("", ids "?customer=moving")
    assert.equal("1", ids "?customer=moved")
    http.expect(statute.client:patch("/v1/entities/task/x1", { data = { customer = "moving" } }), 200)
    assert.equal("1", ids "?customer=moving")
  end)

  it("counts", function()
    assert.equal(5, http.expect(get "?state=DONE&count=true&limit=1", 200).count)
    assert.equal(7, http.expect(get "?customer=c1&count=true&limit=1", 200).count)
    assert.is_nil(http.expect(get "?state=DONE", 200).count)
  end)

  it("shows what changed since an instant", function()
    local made = statute:create("task", "late1", { customer = "late" })
    statute:create("task", "late2", { customer = "late" })
    assert.equal("ate1 ate2", ids("?updated_since=" .. made.updated_at))
    http.expect(statute.client:patch("/v1/entities/task/t7", { data = { note = "new" } }), 200)
    assert.equal("ate2 ate1 7", ids("?order=newest&limit=1&updated_since=" .. made.updated_at))
    assert.equal(3, http.expect(get("?count=true&limit=1&updated_since=" .. made.updated_at), 200).count)
    assert.equal("ate1 ate2", ids("?customer=late&updated_since=" .. made.updated_at))
    assert.equal("ate2 ate1", ids("?customer=late&state=NEW&order=newest&limit=1&updated_since=" .. made.updated_at))
    assert.equal("", ids("?customer=c1&state=DONE&updated_since=" .. made.updated_at))
    assert.equal("", ids "?updated_since=2999-01-01T00:00:00Z")
    http.expect(get "?updated_since=yesterday", 400, "bad_request")
  end)

  it("has indexes from the start on, after a restart, and after a change of rules", function()
    local function indexed()
      return table.concat(server.sql(statute.store, "SELECT field || ' ' || built_to FROM index_field ORDER BY field;"), ", ")
    end
    local function are(expected) eventually(function() return indexed() == expected end, 10, expected) end
    are "amount -1, customer -1, due -1, urgent -1"
    assert.is_true(tonumber(server.sql(statute.store, "SELECT count(*) FROM index_value;")[1]) >= 80)
    for _ = 1, 5 do
      statute:write_policy("task.lua", (TASK:gsub('note = "string"', 'note = { type = "string", index = true }')))
      http.expect(statute.client:post("/v1/policies/reload", {}), 200)
      are "amount -1, customer -1, due -1, note -1, urgent -1"
      statute:write_policy("task.lua", TASK)
      http.expect(statute.client:post("/v1/policies/reload", {}), 200)
      are "amount -1, customer -1, due -1, urgent -1"
    end
    statute:stop(true)
    statute:write_policy("task.lua", (TASK:gsub('note = "string"', 'note = { type = "string", index = true }')))
    statute:restart()
    are "amount -1, customer -1, due -1, note -1, urgent -1"
    statute:stop(true)
    statute:write_policy("task.lua", TASK)
    statute:restart()
  end)

  it("shows which fields are indexed", function()
    for _, field in ipairs(http.expect(statute.client:get "/v1/machines/task", 200).fields) do
      assert.equal(field.name ~= "note" or nil, field.index, field.name)
    end
  end)

  it("ends a page at 1 MiB", function()
    for i = 1, 4 do statute:create("task", "big" .. i, { customer = "big", note = ("x"):rep(600000) }) end
    local page = http.expect(get "?customer=big&limit=10", 200)
    assert.is_true(#page.items < 4)
    assert.equal("ig1 ig2 ig3 ig4", ids "?customer=big&limit=10")
    assert.equal("ig4 ig3 ig2 ig1", ids "?customer=big&limit=10&order=newest")
  end)
end)

describe("an entity", function()
  local statute
  setup(function() statute = server.start { policies = { ["task.lua"] = TASK } } end)
  teardown(function() statute:stop() end)

  it("is 304 while it has the version of If-None-Match", function()
    statute:create("task", "e1", {})
    local function read(tag) return statute.client:get("/v1/entities/task/e1", { ["If-None-Match"] = tag }) end
    for _, tag in ipairs { '"1"', 'W/"1"', '"7", "1"', "*" } do
      local answer = read(tag)
      assert.equal(304, answer.status, tag)
      assert.equal('"1"', answer.headers.etag)
      assert.equal("", answer.body)
    end
    statute:move("task", "e1", "DONE")
    http.expect(read '"1"', 200)
    assert.equal(304, read('"2"').status)
  end)
end)

describe("a query that nothing knows", function()
  local statute
  setup(function() statute = server.start { policies = { ["task.lua"] = TASK } } end)
  teardown(function() statute:stop() end)

  it("is 400 everywhere", function()
    statute:create("task", "q1", {})
    local client = statute.client
    for _, path in ipairs { "/v1/entities/task/q1", "/v1/entities/task/q1/history", "/v1/entities/task/q1/transitions", "/v1/audit", "/v1/batches", "/v1/machines",
      "/v1/machines/task", "/v1/machines/task/diagram.svg", "/v1/policies", "/v1/tokens", "/v1/time/zones", "/v1/time/offsets/60", "/.well-known/authzen-configuration",
      "/openapi.json", "/livez", "/readyz", "/version", "/metrics" } do
      local problem = http.expect(client:get(path .. "?nonsense=1"), 400, "bad_request")
      assert.truthy(problem.detail:find("nonsense", 1, true), path)
    end
    http.expect(client:post("/v1/entities/task?nonsense=1", { id = "q2" }), 400, "bad_request")
    http.expect(client:patch("/v1/entities/task/q1?nonsense=1", { data = {} }), 400, "bad_request")
    http.expect(client:post("/v1/entities/task/q1/transitions?nonsense=1", { to = "DONE" }), 400, "bad_request")
    http.expect(client:post("/v1/sanitize?nonsense=1", {}), 400, "bad_request")
    http.expect(client:post("/access/v1/evaluation?nonsense=1", {}), 400, "bad_request")
  end)
end)

describe("the list of batches", function()
  local statute
  setup(function()
    statute = server.start { policies = { ["task.lua"] = TASK, ["other.lua"] = [[return machine "other" { initial = "A", states = { A = { to = { B = true } }, B = {} } }]] } }
  end)
  teardown(function() statute:stop() end)

  it("has pages, the newest first, dates and filters", function()
    local made = {}
    for i = 1, 5 do
      statute:create("task", "b" .. i, { customer = i == 2 and "c9" or "c1" })
      made[i] = http.expect(statute.client:post("/v1/batches", { machine = "task", ids = { "b" .. i }, transition = "finish", mode = i == 2 and "atomic" or "sequential" }), 200).id
    end
    statute:create("other", "o1", {})
    made[6] = http.expect(statute.client:post("/v1/batches", { machine = "other", ids = { "o1" }, to = "B" }), 200).id
    local function list(query)
      local ids, cursor = {}, nil
      repeat
        local page = http.expect(statute.client:get("/v1/batches?limit=2" .. query .. (cursor and "&cursor=" .. cursor or "")), 200)
        for _, item in ipairs(page.items) do
          ids[#ids + 1] = item.id
          assert.truthy(item.created_at and item.updated_at and item.machine)
        end
        cursor = page.next_cursor
      until not cursor
      return ids
    end
    assert.same({ made[6], made[5], made[4], made[3], made[2], made[1] }, list "")
    assert.same({ made[6] }, list "&machine=other")
    assert.same({ made[2] }, list "&status=failed")
    assert.same({ made[5], made[4], made[3], made[1] }, list "&machine=task&status=completed")
    http.expect(statute.client:get "/v1/batches?status=done", 400, "bad_request")
    http.expect(statute.client:get "/v1/batches?limit=0", 400, "bad_request")
    http.expect(statute.client:get "/v1/batches?cursor=e3", 400, "bad_request")
  end)
end)
