-- Who may read: entity, list, history, transitions.
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
    local keyed = server.start { directory = directory, store = store, auth = false, policies = { ["file.lua"] = FILE } }
    http.expect(keyed.client:post("/v1/entities/secret", { id = "s" }, reader), 201)
    for _, path in ipairs(PATHS) do
      http.expect(keyed.client:get("/v1/entities/secret/s" .. path, clerk), 200)
      http.expect(keyed.client:get("/v1/entities/secret/s" .. path, reader), 403, "permission_denied")
      http.expect(keyed.client:get("/v1/entities/secret/s" .. path .. "?actor=clerk&permissions=secret.read", reader), 403)
    end
    assert.equal(1, #http.expect(keyed.client:get("/v1/entities/secret", clerk), 200).items)
    assert.equal(0, #http.expect(keyed.client:get("/v1/entities/secret", reader), 200).items)
    keyed:stop()
    server.drop_store(store)
  end)
end)
