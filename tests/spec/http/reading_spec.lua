-- Who may read: entity, list, history, transitions, counts by state.
local eventually = require "tests.support.eventually"
local http     = require "tests.support.http"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local FILE = [[
return {
  machine "file" {
    initial = "OPEN",
    read    = { permit = any { "file.read_all", function(actor, data) return actor.id == data.owner, "Not yours" end },
                deny = function(actor, data)
                  if data.broken then error("broken") end
                  return data.sealed == true and actor.id ~= data.owner, "It is sealed"
                end },
    fields  = { owner = { type = "string", index = true } },
    states  = { OPEN = { to = { SHUT = true } }, SHUT = { final = true } },
  },
  machine "alarm" {
    initial = "ASLEEP",
    read    = { permit = any { "alarm.all", function(actor, data) return actor.id == data.owner end } },
    fields  = { owner = "string" },
    states  = { ASLEEP = { to = { AWAKE = true }, after = { delay = "50ms", to = "AWAKE" } },
                AWAKE  = { require = function() error "out of order" end } },
  },
  roles { clerk = { "desk.read" } },
  machine "desk" { initial = "A", within = "tenant", read = { permit = "desk.read" }, fields = { tenant = "string" }, states = { A = {} } },
  machine "slow" {
    initial = "A",
    read    = { permit = function() local n = 0 while n < 200000 do n = n + 1 end return true end },
    states  = { A = {} },
  },
  machine "plain" { initial = "A", states = { A = {} } },
  machine "secret" { initial = "A", read = { permit = "secret.read" }, states = { A = { to = { B = true } }, B = {} } },
}
]]

describe("reading", function()
  local statute

  setup(function()
    statute = server.start { policies = { ["file.lua"] = FILE } }
    for i = 1, 30 do
      statute:create("file", ("f%02d"):format(i), { owner = i % 10 == 0 and "ann" or "bob", sealed = i == 20 or i == 29 })
    end
    statute:create("plain", "p", {})
    statute:create("secret", "s", {})
  end)
  teardown(function() statute:stop() end)

  local function get(path, query, headers) return statute.client:get("/v1/entities/" .. path .. (query and "?" .. query or ""), headers) end

  local PATHS = { "", "/history", "/transitions" }

  it("an entity, its history and its transitions is for those who may", function()
    for _, path in ipairs(PATHS) do
      http.expect(get("file/f10" .. path, "actor=ann"), 200)
      http.expect(get("file/f10" .. path, "actor=eve&permissions=file.read_all"), 200)
      local refused = http.expect(get("file/f10" .. path, "actor=eve"), 403, "permission_denied")
      assert.same({ "file.read_all" }, refused.missing_permissions)
      assert.truthy(refused.detail:find("Not yours", 1, true))
      assert.is_nil(refused.current_state)
      http.expect(get("file/f10" .. path), 403, "permission_denied")
    end
  end)

  it("is denied by what denies, whatever permits", function()
    for _, path in ipairs(PATHS) do
      http.expect(get("file/f20" .. path, "actor=ann"), 200)
      local refused = http.expect(get("file/f20" .. path, "actor=eve&permissions=*"), 403, "permission_denied")
      assert.equal("read.deny", refused.denied_by)
      assert.equal("It is sealed", refused.detail)
    end
  end)

  it("a list leaves out what may not be read, and its pages are full all the same", function()
    local function list(query)
      local ids, cursor, pages = {}, nil, 0
      repeat
        local page = http.expect(get("file", query .. (cursor and "&cursor=" .. http.escape(cursor) or "")), 200)
        for _, item in ipairs(page.items) do ids[#ids + 1] = item.id end
        cursor, pages = page.next_cursor, pages + 1
      until not cursor
      return ids, pages
    end
    local function three() return { "f10", "f20", "f30" } end
    local ids, pages = list "actor=ann&limit=50"
    table.sort(ids)
    assert.same(three(), ids)
    assert.equal(1, pages)
    ids, pages = list "actor=ann&limit=2"
    table.sort(ids)
    assert.same(three(), ids)
    assert.is_true(pages <= 3)
    assert.same({}, (list "actor=eve"))
    assert.equal(28, #list "actor=eve&permissions=file.read_all&limit=7")
    assert.same({}, (list "limit=10"))
  end)

  it("a count, too, is of what may be read, whatever it is filtered by", function()
    local function count(query) return http.expect(get("file", query .. "&count=true&limit=1"), 200).count end
    assert.equal(3, count "actor=ann")
    assert.equal(0, count "actor=eve")
    assert.equal(0, count "actor=eve&owner=ann")
    assert.equal(28, count "actor=eve&permissions=file.read_all")
    assert.equal(26, count "actor=eve&permissions=file.read_all&owner=bob")
    assert.equal(2, #http.expect(get("file", "actor=eve&permissions=file.read_all&owner=ann"), 200).items)
  end)

  local function states(machine, query)
    local counts = {}
    for _, state in ipairs(http.expect(statute.client:get("/v1/stats/states/" .. machine .. (query and "?" .. query or "")), 200).states) do
      counts[state.state] = state.entities
    end
    return counts
  end

  it("counts by state are of what may be read", function()
    assert.same({ OPEN = 3, SHUT = 0 }, states("file", "actor=ann"))
    assert.same({ OPEN = 28, SHUT = 0 }, states("file", "actor=eve&permissions=file.read_all"))
    assert.same({ OPEN = 0, SHUT = 0 }, states("file", "actor=eve"))
    assert.same({ OPEN = 0, SHUT = 0 }, states "file")
    assert.same({ A = 1, B = 0 }, states("secret", "actor=eve&permissions=secret.read"))
    assert.same({ A = 0, B = 0 }, states("secret", "actor=eve"))
    assert.same({ A = 0, B = 0 }, states "secret")
    assert.same({ A = 1 }, states "plain")
    local eve = http.expect(statute.client:get "/v1/stats/states/secret?actor=eve", 200).states[1]
    assert.is_nil(eve.oldest_at)
    http.expect(statute.client:get "/v1/stats/states/file?who=ann", 400, "bad_request")
    http.expect(statute.client:get "/v1/stats/states/none?actor=ann", 404, "unknown_machine")
  end)

  it("the oldest of a state, and timers that are overdue, are of what may be read, too", function()
    local function asleep(query) return http.expect(statute.client:get("/v1/stats/states/alarm?actor=" .. query), 200).states[1] end
    local first = statute:create("alarm", "a1", { owner = "bob" })
    local second = statute:create("alarm", "a2", { owner = "ann" })
    statute:create("alarm", "a3", { owner = "ann" })
    eventually(function() return asleep "eve&permissions=alarm.all".overdue_timers == 3 end, 5, "all are overdue")
    assert.same({ 3, first.created_at }, { asleep "eve&permissions=alarm.all".entities, asleep "eve&permissions=alarm.all".oldest_at })
    assert.same({ 2, 2, second.created_at }, { asleep "ann".entities, asleep "ann".overdue_timers, asleep "ann".oldest_at })
    assert.same({ 0, 0 }, { asleep "eve".entities, asleep "eve".overdue_timers })
  end)

  it("counts by state go by the tenant of each entity", function()
    for i, tenant in ipairs { "acme", "acme", "other" } do statute:create("desk", "d" .. i, { tenant = tenant }) end
    local function as(role) return states("desk", 'actor={"id":"ann","roles":["' .. role .. '"]}') end
    assert.same({ A = 3 }, as "clerk")
    assert.same({ A = 0 }, as "guest")
    assert.same({ A = 2 }, states("desk", "actor=ann&roles=clerk@acme"))
  end)

  it("counts by state that would take too long are refused, never given in part", function()
    for i = 1, 400 do statute:create("slow", "s" .. i, {}) end
    local refused = http.expect(statute.client:get "/v1/stats/states/slow?actor=ann", 403, "permission_denied")
    assert.truthy(refused.detail:find("scope audit", 1, true), refused.detail)
  end)

  it("an entity whose rule fails is a policy error, and left out of lists", function()
    statute:create("file", "z", { owner = "zoe", broken = true })
    http.expect(get("file/z", "actor=zoe"), 500, "policy_error")
    assert.same({}, http.expect(get("file", "actor=zoe&limit=1000"), 200).items)
  end)

  it("what is not there is not found, whoever asks", function()
    for _, path in ipairs(PATHS) do http.expect(get("file/none" .. path), 404, "entity_not_found") end
  end)

  it("a machine without `read` is for everybody, and its list knows no actor", function()
    for _, path in ipairs(PATHS) do http.expect(get("plain/p" .. path), 200) end
    assert.equal(1, #http.expect(get("plain"), 200).items)
    http.expect(get("plain", "actor=ann"), 400, "bad_request")
  end)

  it("goes by who calls: a key's own permissions", function()
    local directory = policies.temporary()
    local store = server.new_store(directory)
    local function key(name, ...)
      local status, out, err = server.statute { "token", "create", "--store", store, "--name", name, ... }
      assert(status == 0, err)
      return { Authorization = "Bearer " .. assert(out:match("st_%w+_%w+"), out) }
    end
    local reader, clerk = key("reader", "--scopes", "read,transition"), key("clerk", "--scopes", "read", "--permissions", "secret.read")
    local auditor = key("auditor", "--scopes", "read,audit,act_as")
    local keyed = server.start { directory = directory, store = store, auth = false, policies = { ["file.lua"] = FILE } }
    http.expect(keyed.client:post("/v1/entities/secret", { id = "s" }, reader), 201)
    for _, path in ipairs(PATHS) do
      http.expect(keyed.client:get("/v1/entities/secret/s" .. path, clerk), 200)
      http.expect(keyed.client:get("/v1/entities/secret/s" .. path, reader), 403, "permission_denied")
      http.expect(keyed.client:get("/v1/entities/secret/s" .. path .. "?actor=clerk&permissions=secret.read", reader), 403)
    end
    assert.equal(1, #http.expect(keyed.client:get("/v1/entities/secret", clerk), 200).items)
    assert.equal(0, #http.expect(keyed.client:get("/v1/entities/secret", reader), 200).items)
    local function counted(query, as) return http.expect(keyed.client:get("/v1/stats/states/secret" .. query, as), 200).states[1].entities end
    assert.same({ 1, 0, 1, 0 }, { counted("", clerk), counted("", reader), counted("", auditor), counted("?actor=eve", auditor) })
    http.expect(keyed.client:get("/v1/stats/states/secret?actor=clerk", reader), 403, "permission_denied")
    keyed:stop()
    server.drop_store(store)
  end)
end)
