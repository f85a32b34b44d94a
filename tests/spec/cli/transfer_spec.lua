local http     = require "tests.support.http"
local json     = require "tests.support.json"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local DOOR = [[
return machine "door" {
  initial = "SHUT", fields = { height = "integer" },
  states = { SHUT = { to = { OPEN = true } }, OPEN = { to = { SHUT = true } } },
}
]]

describe("statute import and export", function()
  local directory, folder, store

  before_each(function()
    directory = policies.temporary()
    folder = policies.write({ ["door.lua"] = DOOR }, directory .. "/policies")
    store = "sqlite:" .. directory .. "/x.db"
  end)
  after_each(function() policies.remove(directory) end)

  local function import(lines, ...)
    local path = directory .. "/in.ndjson"
    policies.write_file(path, type(lines) == "string" and lines or table.concat(lines, "\n") .. "\n")
    local words = { "import", "--policies", folder, "--store", store, ... }
    words[#words + 1] = path
    return server.statute(words)
  end

  local function export(...)
    local status, out, err = server.statute { "export", "--store", store, ... }
    assert.equal(0, status, err)
    local items = {}
    for line in out:gmatch("[^\n]+") do items[#items + 1] = assert(json.decode(line)) end
    return items, out
  end

  local function line(id, more)
    local item = { machine = "door", id = id, state = "OPEN", data = { height = 3 } }
    for key, value in pairs(more or {}) do item[key] = value end
    return json.encode(item)
  end

  it("bring entities in, in any state, and out again", function()
    local status, out, err = import { line "a", line("b", { state = "SHUT", data = { height = 4, note = "ü" } }) }
    assert.equal(0, status, out .. err)
    local items = export()
    table.sort(items, function(a, b) return a.id < b.id end)
    assert.equal(2, #items)
    assert.equal("door", items[1].machine)
    assert.equal("OPEN", items[1].state)
    assert.same({ height = 4, note = "ü" }, items[2].data)
  end)

  it("survive a round trip", function()
    local lines = {}
    for i = 1, 500 do lines[i] = line(("d%03d"):format(i), { state = i % 2 == 0 and "OPEN" or "SHUT", data = { height = i } }) end
    assert.equal(0, (import(lines)))
    local _, first = export()
    store = "sqlite:" .. directory .. "/y.db"
    assert.equal(0, (import(first)))
    local items, second = export()
    assert.equal(first, second)
    assert.equal(500, #items)
    table.sort(items, function(a, b) return a.id < b.id end)
    for i, item in ipairs(items) do
      assert.equal(i, item.data.height)
      assert.equal(i % 2 == 0 and "OPEN" or "SHUT", item.state)
    end
  end)

  it("keep the times and the version, but for a new entity", function()
    local times = { created_at = "2019-05-01T08:00:00Z", updated_at = "2021-02-03T04:05:06.789Z", version = 12 }
    assert.equal(0, (import { line("a", times) }))
    assert.equal(0, (import({ line("n", times) }, "--as-new")))
    local items = export()
    local restored, new = items[1], items[2]
    for _, item in ipairs { restored, new } do
      assert.equal(times.created_at, item.created_at)
      assert.equal(times.updated_at, item.updated_at)
    end
    assert.equal(12, restored.version)
    assert.equal(1, new.version)
    local status, out = import { line("b", { created_at = "2999-01-01T00:00:00Z" }) }
    assert.equal(1, status)
    assert.truthy(out:find("in.ndjson:1: bad_request: created_at: ", 1, true), out)
  end)

  it("hash what is personal with the keys of the server", function()
    policies.write_file(folder .. "/pii.lua", 'return pii { hash = { "code" } }')
    policies.write_file(directory .. "/keys", "k7 0123456789abcdef-seven\n")
    local status, out, err = import({ line("a", { data = { code = "E-77" } }) }, "--pii-keys", directory .. "/keys")
    assert.equal(0, status, out .. err)
    local _, records = server.statute { "audit", "list", "--store", store }
    assert.truthy(records:find('"code":"k7:', 1, true), records)
    assert.is_nil(records:find("E-77", 1, true))
    assert.equal("E-77", export()[1].data.code)
    status, _, err = import({ line "b" }, "--pii-keys", directory .. "/keys", "--pii-key", "other")
    assert.equal(2, status)
    assert.truthy(err:find("exclude each other", 1, true), err)
  end)

  it("name the lines that are bad, and take the others", function()
    local status, out = import({ line "a", "{", line("b", { state = "MELTED" }), line("c", { data = { height = "tall" } }),
                                 line "a", line("d", { machine = "gate" }), line("f", { data = 7 }), line "e" }, "--on-error", "continue")
    assert.equal(1, status)
    for number = 1, 8 do
      assert.equal(number > 1 and number < 8, out:find(("in.ndjson:%d: "):format(number), 1, true) ~= nil, out)
    end
    assert.equal(2, #export())
  end)

  it("stop at a bad line unless told otherwise, and can be run again", function()
    local lines = { line "a", line("b", { state = "MELTED" }), line "c" }
    local status, out = import(lines)
    assert.equal(1, status)
    assert.truthy(out:find("in.ndjson:2: ", 1, true), out)
    assert.equal(1, #export())
    lines[2] = line "b"
    assert.equal(0, (import(lines, "--skip-existing")))
    assert.equal(3, #export())
  end)

  it("say how far they are, and how much they did", function()
    local _, _, err = import { line "a", line "b" }
    assert.truthy(err:find("imported 2 entities", 1, true), err)
  end)

  it("read standard input", function()
    local status = server.statute({ "import", "--policies", folder, "--store", store, "-" }, line "piped" .. "\n")
    assert.equal(0, status)
    assert.equal("piped", export()[1].id)
  end)

  it("are seen by a server, history and all", function()
    assert.equal(0, (import { line "a" }))
    local statute = server.start { policies = folder, directory = directory, store = store }
    assert.equal("OPEN", http.expect(statute:read("door", "a"), 200).state)
    local records = statute:history("door", "a")
    assert.equal(1, #records)
    assert.equal("migration", records[1].reason)
    http.expect(statute:move("door", "a", "SHUT"), 200)
    statute:stop(true)
  end)

  it("exit with 3 when the file is not there", function()
    assert.equal(3, (server.statute { "import", "--policies", folder, "--store", store, directory .. "/nowhere" }))
  end)

  -- Everything that a creation would do, and a restore must not.
  local BED = [[
return { machine "bed" {
  initial = "FREE", fields = { freed = "integer", note = "string" },
  prepare = function(data) data.note = "prepared"; return data end,
  states = {
    FREE  = { to = { TAKEN = true }, on_enter = function(data, ctx)
                return { set = { freed = (data.freed or 0) + 1 }, emit = { { type = "bed.free", data = {} } },
                         create = { { machine = "log", id = ctx.id .. "-" .. ctx.version, data = {} } } }
              end },
    TAKEN = { to = { FREE = true }, on_enter = function(data) return { emit = { { type = "bed.taken", data = {} } } } end,
              after = { { delay = "30d", to = "FREE", comments = "Nobody came" }, { delay = "60d", to = "FREE", reason = "timer" } } },
  },
}, machine "log" { initial = "A", states = { A = {} } } }
]]

  -- A store with some life behind it.
  local function lived(url)
    policies.write_file(folder .. "/bed.lua", BED)
    local statute = server.start { policies = folder, directory = directory, store = url }
    for _, id in ipairs { "m", "c", "x", "ü" } do statute:create("bed", id, { freed = 0 }) end
    for _, id in ipairs { "x", "c" } do http.expect(statute:move("bed", id, "TAKEN"), 200) end
    http.expect(statute:move("bed", "c", "FREE"), 200)
    http.expect(statute:move("bed", "ü", { to = "TAKEN", data = { note = "big 9007199254740993", big = 9007199254740993 } }), 200)
    for i = 1, 3 do statute:create("door", "d" .. i, { height = i }) end
    statute:stop(true)
  end

  local function outbox(url) return server.sql(url, "SELECT count(*) FROM outbox")[1] end

  local function copy(text, url)
    store = url
    local status, out, err = import(text)
    assert.equal(0, status, out .. err)
    assert.equal("", out)
    local items, again = export()
    return again, items
  end

  it("put back exactly what was there, and do nothing else", function()
    lived(store)
    local items, text = export()
    local again = copy(text, "sqlite:" .. directory .. "/copy.db")
    assert.equal(text, again)
    assert.equal("0", outbox(store))
    local timed = {}
    for _, item in ipairs(items) do
      if #item.timers > 0 then timed[#timed + 1] = item end
    end
    assert.equal(2, #timed, "two beds are taken")
    assert.equal(2, #timed[1].timers)
    assert.equal("FREE", timed[1].timers[1].to)
    assert.equal("Nobody came", timed[1].timers[1].comments)
    local statute = server.start { policies = folder, store = store }
    local bed = http.expect(statute:read("bed", "x"), 200)
    assert.equal(2, bed.version)
    http.expect(statute:move("bed", "x", { to = "FREE", options = { if_version = 2 } }), 200)
    local records = statute:history("bed", "x")
    assert.equal("restore", records[1].action)
    assert.equal("migration", records[1].reason)
    assert.equal(2, records[1].version)
    assert.equal(2, records[1].metadata.imported.version)
    assert.equal(3, records[2].version)
    statute:stop()
    assert.equal(0, (server.statute { "audit", "verify", "--store", store }))
  end)

  it("fire what is due when the server is up again, once, at the time that was exported", function()
    policies.write_file(folder .. "/bed.lua", BED)
    local restored = { machine = "bed", id = "late", state = "TAKEN", version = 5, data = { freed = 7 },
                       created_at = "2020-01-01T00:00:00Z", updated_at = "2020-01-02T00:00:00Z",
                       timers = { { to = "FREE", due_at = "2020-02-01T00:00:00Z", reason = "system_auto", comments = "Nobody came" } } }
    assert.equal(0, (import { json.encode(restored) }))
    assert.equal("2020-02-01T00:00:00Z", export()[1].timers[1].due_at)
    local statute = server.start { policies = folder, directory = directory, store = store }
    local eventually = require "tests.support.eventually"
    eventually(function() return http.expect(statute:read("bed", "late"), 200).state == "FREE" end, 10, "the timer fires")
    assert.equal(8, http.expect(statute:read("bed", "late"), 200).data.freed)
    statute:stop(true)
  end)

  it("read the exports of before, and say what these lack", function()
    policies.write_file(folder .. "/bed.lua", BED)
    local old = '{"machine":"bed","id":"o","state":"TAKEN","version":3,"data":{"freed":1},' ..
                '"created_at":"2020-01-01T00:00:00Z","updated_at":"2020-01-02T00:00:00Z"}\n'
    local status, out, err = import(old)
    assert.equal(0, status, out .. err)
    assert.truthy(err:find("1 restored without timers", 1, true), err)
    local item = export()[1]
    assert.equal(3, item.version)
    assert.same({ freed = 1 }, item.data)
  end)

  it("restore what the rules no longer know, and say so", function()
    local status, out, err = import { line("a", { state = "MELTED", version = 2 }), line("b", { machine = "gate", version = 2 }) }
    assert.equal(0, status, out .. err)
    assert.truthy(err:find("1 restored as door MELTED", 1, true), err)
    assert.truthy(err:find("1 restored as gate OPEN", 1, true), err)
    assert.equal(2, #export())
  end)

  it("create what is asked for as new, with all that belongs to it", function()
    policies.write_file(folder .. "/bed.lua", BED)
    local taken = { machine = "bed", id = "n", state = "TAKEN", version = 5, data = { freed = 7 }, created_at = "2020-01-01T00:00:00Z",
                    updated_at = "2020-01-02T00:00:00Z" }
    assert.equal(0, (import({ json.encode(taken) }, "--as-new")))
    local item = export()[1]
    assert.equal(1, item.version)
    assert.equal("prepared", item.data.note)
    assert.equal(2, #item.timers)
    assert.equal("1", outbox(store))
  end)

  it("name a timer that cannot be read", function()
    local status, out = import { line("a", { timers = { { to = "SHUT", due_at = "soon" } } }) }
    assert.equal(1, status)
    assert.truthy(out:find("timers[0]: due_at: ", 1, true), out)
  end)

  it("go from SQLite to PostgreSQL and back, twice, byte for byte", function()
    if not os.getenv("STATUTE_TEST_POSTGRES") then return pending("STATUTE_TEST_POSTGRES is not set") end
    local kind = server.store_kind
    local databases = {}
    local function database(name)
      server.store_kind = "postgresql"
      databases[#databases + 1] = server.new_store(directory .. name)
      server.store_kind = kind
      return databases[#databases]
    end
    lived(store)
    local _, text = export()
    local one = copy(text, database "-one")
    local two = copy(one, "sqlite:" .. directory .. "/two.db")
    local three = copy(two, database "-three")
    local four = copy(three, "sqlite:" .. directory .. "/four.db")
    for _, url in ipairs(databases) do
      assert.equal("0", outbox(url))
      assert.equal(0, (server.statute { "audit", "verify", "--store", url }))
      server.drop_store(url)
    end
    assert.equal(text, one)
    assert.equal(text, two)
    assert.equal(text, three)
    assert.equal(text, four)
  end)
end)
