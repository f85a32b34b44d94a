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

  it("keep the times, but not the version", function()
    local times = { created_at = "2019-05-01T08:00:00Z", updated_at = "2021-02-03T04:05:06.789Z", version = 12 }
    assert.equal(0, (import { line("a", times) }))
    local item = export()[1]
    assert.equal(times.created_at, item.created_at)
    assert.equal(times.updated_at, item.updated_at)
    assert.equal(1, item.version)
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
end)
