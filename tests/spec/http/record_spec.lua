-- What an audit record says of an attempt: what it changed, by which transition, in which request and batch.
local chain  = require "tests.support.chain"
local http   = require "tests.support.http"
local json   = require "tests.support.json"
local random_machine = require "tests.support.random_machine"
local server = require "tests.support.server"

-- Everything that can change data does: the patch, prepare, defaults, set and unset, on the way out and in, and a
-- second entity's effect.
local CASE = [[
local function count(case, ctx) return { set = { steps = (case.steps or 0) + 1, last = ctx.to }, unset = { "note" } } end
return machine "case" {
  initial = "NEW",
  fields = { priority = { type = "string", default = "LOW" }, amount = { type = "number" } },
  prepare = function(case)
    if case.title then case.title = case.title:lower() end
    case.draft = nil
    return case
  end,
  warn = function(case) if case.title == "bad" then error("no opinion") end end,
  states = {
    NEW  = { to = { OPEN = { name = "open", guard = function(case) return case.stuck ~= true, "It is stuck" end } }, on_exit = count },
    OPEN = { to = { NEW = { name = "reopen" }, DONE = { name = "close", effect = function(case)
      return { set = { nested = { deep = { n = case.steps, list = { 1, { a = case.amount } } } } },
        follow = case.twin and { { machine = "case", id = case.twin, to = "OPEN" } } or nil }
    end } }, on_enter = count },
    DONE = { to = { OPEN = true } },
  },
}
]]

local PII = [[ return pii { drop = { "password" }, mask = { phone = "last4" }, redact = { "email" } } ]]

-- RFC 7396, on decoded JSON with json.null.
local function is_object(value) return type(value) == "table" and value ~= json.null and getmetatable(value).__jsontype == "object" end

local function apply(target, patch)
  if not is_object(patch) then return patch end
  local result = setmetatable({}, { __jsontype = "object" })
  if is_object(target) then for key, value in pairs(target) do result[key] = value end end
  for key, value in pairs(patch) do
    if value == json.null then result[key] = nil else result[key] = apply(result[key], value) end
  end
  return result
end

local function decoded(answer) return json.decode(answer.body, json.null) end

describe("a record", function()
  local statute

  setup(function() statute = server.start { policies = { ["case.lua"] = CASE, ["pii.lua"] = PII } } end)
  teardown(function() statute:stop() end)

  local function records(id)
    local answer = statute.client:get(("/v1/entities/case/%s/history?limit=1000"):format(id))
    http.expect(answer, 200)
    return decoded(answer).items
  end

  local function last(id) local all = records(id); return all[#all] end

  local function same(expected, found) assert.equal(json.encode(expected), json.encode(found)) end

  it("says what prepare, a default, set and unset changed", function()
    statute:create("case", "c1", { title = "LOUD", draft = 1, note = "n" })
    same({ priority = "LOW", title = "loud", note = "n" }, last "c1".changes)
    statute:move("case", "c1", { transition = "open", data = { amount = 5 } })
    local moved = last "c1"
    same({ amount = 5, steps = 2, last = "OPEN", note = json.null }, moved.changes)
    assert.equal("open", moved.transition)
    assert.is_truthy(moved.request_id)
    assert.equal("read committed", moved.isolation)
    http.expect(statute.client:patch("/v1/entities/case/c1", { data = { title = "LOUD" } }), 200)
    same(setmetatable({}, { __jsontype = "object" }), last "c1".changes)
  end)

  it("says nothing of what a refusal would have changed, but which transition it was", function()
    statute:create("case", "c2", { stuck = true })
    http.expect(statute:move("case", "c2", { transition = "open", data = { amount = 1 } }), 422, "guard_rejected")
    same(setmetatable({}, { __jsontype = "object" }), last "c2".changes)
    assert.equal("open", last "c2".transition)
    http.expect(statute:move("case", "c2", { transition = "close" }), 409, "invalid_transition")
    assert.equal("close", last "c2".transition)
  end)

  it("is clean in what it says of changes too", function()
    statute:create("case", "c3", { password = "hunter2", phone = "0123456789", title = "write to a@b.example", more = { { password = "x", phone = "55512345" } } })
    local text = json.encode(last "c3".changes)
    assert.falsy(text:find("hunter2", 1, true))
    same({ phone = "****6789", priority = "LOW", title = "write to [email]", more = json.array { { phone = "****2345" } } }, last "c3".changes)
    http.expect(statute.client:patch("/v1/entities/case/c3", { data = { phone = { work = "0123456789" } } }), 200)
    same({ phone = json.null }, last "c3".changes)
  end)

  it("is found by what it says", function()
    statute:create("case", "c4", { stuck = true })
    statute:move("case", "c4", { transition = "open" }, { ["X-Request-Id"] = "find-me" })
    local function found(query)
      local list = {}
      for i, record in ipairs(http.expect(statute.client:get("/v1/audit?entity=c4&" .. query), 200).items) do list[i] = record.sequence end
      return table.concat(list, " ")
    end
    assert.equal("2", found "request_id=find-me")
    assert.equal("2", found "transition=open")
    assert.equal("2", found "error_code=guard_rejected")
    assert.equal("2", found "success=false&from_state=NEW&to_state=OPEN")
    assert.equal("1 2", found "order=oldest")
    assert.equal("2 1", found "order=newest")
    assert.equal("", found "transition=close")
    local all = http.expect(statute.client:get("/v1/audit?request_id=find-me"), 200).items
    assert.equal(1, #all)
    http.expect(statute.client:get("/v1/audit?order=upwards"), 400, "bad_request")
    http.expect(statute.client:get("/v1/audit?verb=open"), 400, "bad_request")
  end)

  it("names the batch, and is found by it", function()
    local ids = {}
    for i = 1, 5 do ids[i] = statute:create("case", "b" .. i, { stuck = i == 3 }).id end
    local done = http.expect(statute.client:post("/v1/batches", { machine = "case", ids = ids, transition = "open" }), 200)
    local found = http.expect(statute.client:get("/v1/audit?batch=" .. done.id), 200).items
    assert.equal(5, #found)
    for _, record in ipairs(found) do
      assert.equal(done.id, record.batch)
      assert.equal("open", record.transition)
    end
    assert.equal(1, #http.expect(statute.client:get("/v1/audit?success=false&batch=" .. done.id), 200).items)
  end)

  it("pages in either order, in the history and in searches", function()
    statute:create("case", "p1", {})
    for i = 1, 9 do statute.client:patch("/v1/entities/case/p1", { data = { n = i } }) end
    for path, order in pairs { ["/v1/entities/case/p1/history?"] = "newest", ["/v1/audit?entity=p1&machine=case&"] = "oldest", ["/v1/audit?entity=p1&"] = "newest" } do
      local seen, cursor = {}, nil
      repeat
        local page = http.expect(statute.client:get(("%sorder=%s&limit=3%s"):format(path, order, cursor and "&cursor=" .. cursor or "")), 200)
        for _, record in ipairs(page.items) do seen[#seen + 1] = record.sequence end
        cursor = page.next_cursor
      until not cursor
      assert.equal(order == "newest" and "10 9 8 7 6 5 4 3 2 1" or "1 2 3 4 5 6 7 8 9 10", table.concat(seen, " "), path)
    end
    local cursor = http.expect(statute.client:get("/v1/entities/case/p1/history?limit=3"), 200).next_cursor
    http.expect(statute.client:get("/v1/entities/case/p1/history?order=newest&cursor=" .. cursor), 400, "bad_request")
  end)

  it("since and until bound a search from the newest end too", function()
    statute:create("case", "s1", {})
    local from = http.expect(statute.client:get "/v1/audit?entity=s1", 200).items[1].timestamp
    statute.client:patch("/v1/entities/case/s1", { data = { n = 1 } })
    local first = http.expect(statute.client:get("/v1/audit?order=newest&limit=1&since=" .. from), 200).items[1]
    assert.equal("s1", first.entity_id)
    assert.equal(2, first.sequence)
    assert.equal(0, #http.expect(statute.client:get("/v1/audit?machine=case&order=newest&since=2999-01-01T00:00:00Z"), 200).items)
    assert.equal("s1", http.expect(statute.client:get("/v1/audit?machine=case&entity=s1&order=newest&until=2999-01-01T00:00:00Z"), 200).items[1].entity_id)
  end)

  -- The chain of changes gives the cleaned data at any version.
  it("and those before it give the data at every version, whatever was attempted", function()
    local seed = tonumber(os.getenv("STATUTE_TEST_SEED") or os.time())
    math.randomseed(seed)
    local function pick(list) return list[math.random(#list)] end
    local keys = { "title", "amount", "note", "phone", "password", "stuck", "draft", "x", "y", "z", "priority" }
    local function value(depth)
      local kind = math.random(depth > 2 and 5 or 8)
      if kind == 1 then return math.random(-9, 9) end
      if kind == 2 then return pick { "A", "b@c.example", "ünï", "0123456789" } end
      if kind == 3 then return math.random() < 0.5 end
      if kind == 4 then return 2.5 end
      if kind == 5 then return json.null end
      if kind == 6 then return json.array { value(3), value(3) } end
      local object = setmetatable({}, { __jsontype = "object" })
      for _ = 1, math.random(0, 3) do object[pick { "a", "b", "phone", "password", "mail@at.example" }] = value(depth + 1) end
      return object
    end
    local typed = { title = function() return pick { "One", "bad", json.null } end, amount = function() return pick { 1, 2.5, json.null } end,
      priority = function() return pick { "LOW", "HIGH" } end, stuck = function() return pick { true, false } end }
    local function patch()
      local data = setmetatable({}, { __jsontype = "object" })
      for _ = 1, math.random(0, 4) do
        local key = pick(keys)
        data[key] = (typed[key] or function() return value(0) end)()
      end
      return data
    end
    local function cleaned(data)
      return decoded(statute.client:post("/v1/sanitize", { metadata = data })).metadata
    end
    for round = 1, 4 do
      local id, twin = ("r%d"):format(round), ("t%d"):format(round)
      statute:create("case", twin, {})
      local first = patch()
      first.twin = twin
      statute.client:post("/v1/entities/case", { id = id, data = first })
      local versions = {}
      local function note()
        for _, one in ipairs { id, twin } do
          local answer = decoded(statute:read("case", one))
          versions[one] = versions[one] or {}
          if answer.version then versions[one][answer.version] = cleaned(answer.data) end
        end
      end
      note()
      for _ = 1, 25 do
        if math.random() < 0.5 then
          statute.client:patch("/v1/entities/case/" .. id, { data = patch() })
        else
          statute:move("case", id, { transition = pick { "open", "reopen", "close" }, data = math.random() < 0.5 and patch() or nil })
        end
        note()
      end
      for one, expected in pairs(versions) do
        local data, compared = setmetatable({}, { __jsontype = "object" }), 0
        for _, record in ipairs(records(one)) do
          data = apply(data, record.changes)
          if record.success and expected[record.version] then
            compared = compared + 1
            assert.equal(json.encode(apply(nil, expected[record.version])), json.encode(data), ("seed %d, %s, record %d"):format(seed, one, record.sequence))
          end
        end
        assert.is_true(compared > 0)
      end
    end
  end)

  -- STATUTE_TEST_SEED repeats a run: the seed is in the test's name.
  local SEED = math.tointeger(tonumber(os.getenv("STATUTE_TEST_SEED"))) or os.time()
  it(("and those before it give the data at every version, of machines made at random (seed %d)"):format(SEED), function()
    local machines, files = {}, { ["pii.lua"] = PII }
    for i = 1, 24 do
      machines[i] = random_machine.new("m" .. i, SEED * 1000 + i)
      files[machines[i].name .. ".lua"] = machines[i].source
    end
    local random = server.start { policies = files }
    local seen = { versions = 0, refusals = 0, changes = 0 }
    local function cleaned(data) return decoded(random.client:post("/v1/sanitize", { metadata = data })).metadata end

    local function live(machine)
      local path, versions = ("/v1/entities/%s/x"):format(machine.name), {}
      for attempt = 1, 30 do
        local before = random.client:get(path)
        if before.status == 404 then
          random.client:post("/v1/entities/" .. machine.name, { id = "x", data = machine:data() })
        elseif attempt % 3 == 0 then
          random.client:patch(path, { data = machine:patch() })
        else
          random.client:post(path .. "/transitions", machine:attempt())
        end
        local after = decoded(random.client:get(path))
        if after.version then versions[after.version] = { cleaned = cleaned(after.data), data = after.data } end
      end
      return versions, decoded(random.client:get(path .. "/history?limit=1000")).items
    end

    -- The machine's defaults, and what is left of them when they are cleaned.
    local function defaults_of(machine)
      local defaults = setmetatable({}, { __jsontype = "object" })
      for _, field in pairs(decoded(random.client:get("/v1/machines/" .. machine.name)).fields) do defaults[field.name] = field.default end
      return { data = defaults, cleaned = cleaned(defaults) }
    end

    -- A field that is not stored shows its default, which no record says.
    local function present(data, defaults, shown)
      local complete = apply(nil, data)
      for key, value in pairs(defaults.data) do
        if complete[key] == nil and json.encode(shown[key]) == json.encode(value) then complete[key] = defaults.cleaned[key] end
      end
      return complete
    end

    for _, machine in ipairs(machines) do
      local versions, history = live(machine)
      local defaults = defaults_of(machine)
      local data = setmetatable({}, { __jsontype = "object" })
      for _, record in ipairs(history) do
        data = apply(data, record.changes)
        local place = ("seed %d, version %s, record %d of\n%s"):format(SEED, record.version, record.sequence, machine.source)
        if not record.success then
          seen.refusals = seen.refusals + 1
          assert.equal("{}", json.encode(record.changes), place)
        elseif versions[record.version] then
          seen.versions = seen.versions + 1
          seen.changes = seen.changes + (next(record.changes) and 1 or 0)
          assert.equal(json.encode(apply(nil, versions[record.version].cleaned)),
            json.encode(present(data, defaults, versions[record.version].data)), place)
        end
      end
      assert(chain.verify(history))
    end
    random:stop()
    assert.is_true(seen.versions > 100 and seen.changes > 50 and seen.refusals > 20,
      ("too little happened: %d versions, %d changes, %d refusals"):format(seen.versions, seen.changes, seen.refusals))
  end)

  it("makes no chain that would not verify", function()
    for _, id in ipairs { "c1", "c2", "c3" } do assert(chain.verify(records(id))) end
  end)
end)
