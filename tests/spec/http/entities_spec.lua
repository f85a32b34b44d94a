local http   = require "tests.support.http"
local server = require "tests.support.server"

local DOOR = [[
return machine "door" {
  initial = "SHUT",
  fields = {
    color  = { type = "string", enum = { "red", "blue" }, default = "red" },
    height = { type = "integer", min = 1, max = 300 },
    weight = "number", locked = "boolean", made = "datetime", day = "date", wait = "duration",
    more   = "object", tags = "array", any = "any",
  },
  states = {
    SHUT = { to = { OPEN = { name = "open" } } },
    OPEN = { to = { SHUT = { name = "shut" }, GONE = true } },
    GONE = { final = true },
  },
}
]]

local BADGE = [[
return machine "badge" {
  initial = "NEW", strict = true,
  fields = { name = { type = "string", required = true, min = 2, max = 5 } },
  states = { NEW = { final = true } },
}
]]

local CALL = [[
return machine "call" {
  initial = "New",
  states = {
    ["New"]                = { to = { ["Awaiting User Info"] = true } },
    ["Awaiting User Info"] = { to = { ["à clôturer"] = true } },
    ["à clôturer"]         = { final = true },
  },
}
]]

describe("entities", function()
  local statute

  setup(function() statute = server.start { policies = { ["door.lua"] = DOOR, ["badge.lua"] = BADGE, ["call.lua"] = CALL } } end)
  teardown(function() statute:stop() end)

  describe("creation", function()
    it("answers 201 with the entity, its place and its version", function()
      local answer = statute.client:post("/v1/entities/door", { id = "d1", data = { height = 200 } })
      local door = http.expect(answer, 201)
      assert.equal("/v1/entities/door/d1", answer.headers.location)
      assert.equal('"1"', answer.headers.etag)
      assert.equal("door", door.machine)
      assert.equal("d1", door.id)
      assert.equal("SHUT", door.state)
      assert.equal(1, door.version)
      assert.same({ height = 200, color = "red" }, door.data)
      assert.truthy(door.created_at:match("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d[.%d]*Z$"))
      assert.equal(door.created_at, door.updated_at)
    end)

    it("names an entity without an id by a UUID of version 7", function()
      local first, second = statute:create("door", nil, {}).id, statute:create("door", nil, {}).id
      local pattern = ("^%s%%-%s%%-7%s%%-[89ab]%s%%-%s$"):format(("%x"):rep(8), ("%x"):rep(4), ("%x"):rep(3),
        ("%x"):rep(3), ("%x"):rep(12))
      assert.truthy(first:match(pattern))
      assert.is_true(first < second)
    end)

    it("may be in a state with spaces in its name, which then can be left and listed", function()
      local waiting = { id = "c1", state = "Awaiting User Info" }
      assert.equal("Awaiting User Info", http.expect(statute.client:post("/v1/entities/call", waiting), 201).state)
      for _, query in ipairs { "Awaiting%20User%20Info", "Awaiting+User+Info" } do
        local page = http.expect(statute.client:get("/v1/entities/call?state=" .. query), 200)
        assert.equal("c1", page.items[1].id)
      end
      local refused = statute.client:post("/v1/entities/call/c1/transitions", { to = "New" })
      assert.equal("call cannot go from 'Awaiting User Info' to 'New', only to 'à clôturer'",
        http.expect(refused, 409, "invalid_transition").detail)
      http.expect(statute.client:post("/v1/entities/call/c1/transitions", { to = "à clôturer" }), 200)
      assert.equal("c1", http.expect(statute.client:get("/v1/entities/call?state=%C3%A0%20cl%C3%B4turer"), 200).items[1].id)
    end)

    it("takes an empty body", function()
      http.expect(statute.client:request("POST", "/v1/entities/door", "{}"), 201)
    end)

    it("keeps data as it was sent", function()
      local data = {
        any = { deep = { list = { 1, 2.5, "drei", false }, text = 'ü "quoted" \\ \n \u{1F600}' }, zero = 0 },
        weight = 0.1, big = 9007199254740993, negative = -1,
      }
      local id = statute:create("door", nil, data).id
      data.color = "red"
      assert.same(data, statute:read("door", id).json.data)
    end)

    it("keeps empty arrays and empty objects apart", function()
      local answer = statute.client:request("POST", "/v1/entities/door", '{"id":"empty","data":{"tags":[],"more":{}}}')
      http.expect(answer, 201)
      local body = statute:read("door", "empty").body
      assert.truthy(body:find('"tags":[]', 1, true))
      assert.truthy(body:find('"more":{}', 1, true))
    end)

    it("may begin in another state, for imports", function()
      assert.equal("GONE", statute:create("door", "old", {}, "GONE").state)
      assert.equal("GONE", statute:read("door", "old").json.state)
    end)

    it("in a state that the machine does not have is refused", function()
      local answer = statute.client:post("/v1/entities/door", { id = "odd", state = "MELTED" })
      assert.is_true(answer.status >= 400 and answer.status < 500, answer.body)
      http.expect(statute:read("door", "odd"), 404, "entity_not_found")
    end)

    it("happens once", function()
      statute:create("door", "twin", { height = 1 })
      http.expect(statute.client:post("/v1/entities/door", { id = "twin", data = { height = 2 } }), 409, "already_exists")
      assert.equal(1, statute:read("door", "twin").json.data.height)
    end)

    it("of a machine that is not loaded is 404", function()
      http.expect(statute.client:post("/v1/entities/gate", {}), 404, "unknown_machine")
    end)

    for name, id in pairs {
      ["spaces"] = "a b", ["slashes"] = "a/b/c", ["dots"] = "a..b", ["percent signs"] = "100%25", ["quotes"] = [[a"b'c]],
      ["question marks"] = "a?b#c", ["other scripts"] = "дверь-扉-\u{1F6AA}", ["200 bytes"] = ("x"):rep(200),
    } do
      it("takes identifiers with " .. name, function()
        local answer = statute.client:post("/v1/entities/door", { id = id })
        http.expect(answer, 201)
        assert.equal(id, http.expect(statute.client:get(answer.headers.location), 200).id)
        assert.equal(id, http.expect(statute:move("door", id, "OPEN"), 200).id)
        assert.equal(2, #statute:history("door", id))
      end)
    end

    for name, id in pairs { ["empty ones"] = "", ["more than 200 bytes"] = ("x"):rep(201), ["line ends"] = "a\nb", ["a dot"] = ".", ["two dots"] = ".." } do
      it("refuses identifiers: " .. name, function()
        http.expect(statute.client:post("/v1/entities/door", { id = id }), 400, "bad_request")
      end)
    end
  end)

  describe("fields", function()
    it("of the wrong type are all named at once", function()
      local problem = http.expect(statute.client:post("/v1/entities/door", { data = {
        color = "green", height = 0, weight = "heavy", locked = "yes", made = "2025-10-01T09:00:00", day = "1 May",
        wait = "soon", more = { 1 }, tags = "a,b",
      } }), 422, "validation_failed")
      for _, field in ipairs { "color", "height", "weight", "locked", "made", "day", "wait", "more", "tags" } do
        assert.is_string(problem.errors[field], field)
      end
      assert.is_nil(problem.errors.any)
    end)

    it("are never coerced", function()
      for _, value in ipairs { "7", 7.5, true, { 7 } } do
        local problem = http.expect(statute.client:post("/v1/entities/door", { data = { height = value } }), 422, "validation_failed")
        assert.is_string(problem.errors.height)
      end
    end)

    it("that are datetimes are stored as UTC", function()
      local door = statute:create("door", nil, { made = "2025-10-01T09:00:00.500+05:30" })
      assert.equal("2025-10-01T03:30:00.5Z", door.data.made)
      assert.equal("2025-10-01T03:30:00Z", statute:create("door", nil, { made = "2025-10-01T03:30:00Z" }).data.made)
    end)

    it("that are required must be there, and must stay", function()
      local problem = http.expect(statute.client:post("/v1/entities/badge", { id = "b0" }), 422, "validation_failed")
      assert.is_string(problem.errors.name)
      statute:create("badge", "b1", { name = "Ann" })
      local refused = statute.client:patch("/v1/entities/badge/b1", { data = { name = http.null } })
      assert.is_string(http.expect(refused, 422, "validation_failed").errors.name)
    end)

    it("have a least and a greatest length", function()
      for _, name in ipairs { "A", "Annabel" } do
        http.expect(statute.client:post("/v1/entities/badge", { data = { name = name } }), 422, "validation_failed")
      end
    end)

    it("that a strict machine does not know are refused", function()
      local problem = http.expect(statute.client:post("/v1/entities/badge", { data = { name = "Ann", rank = 1 } }), 422,
        "validation_failed")
      assert.is_string(problem.errors.rank)
    end)
  end)

  describe("reading", function()
    it("gives everything, with the version as ETag", function()
      statute:create("door", "r1", { height = 3 })
      local answer = statute:read("door", "r1")
      local door = http.expect(answer, 200)
      assert.equal('"1"', answer.headers.etag)
      for _, key in ipairs { "machine", "id", "state", "version", "data", "created_at", "updated_at" } do
        assert.is_not_nil(door[key], key)
      end
      assert.truthy(answer.headers["content-type"]:find("^application/json"))
    end)

    it("tells an unknown entity from an unknown machine", function()
      http.expect(statute:read("door", "nobody"), 404, "entity_not_found")
      http.expect(statute:read("gate", "nobody"), 404, "unknown_machine")
    end)

    it("answers HEAD without a body", function()
      statute:create("door", "r2", {})
      local answer = statute.client:request("HEAD", "/v1/entities/door/r2")
      assert.equal(200, answer.status)
      assert.equal("", answer.body)
      assert.equal('"1"', answer.headers.etag)
    end)
  end)

  describe("lists", function()
    local function walk(query, limit)
      local seen, pages, cursor = {}, 0, nil
      repeat
        local page = http.expect(statute.client:get(("/v1/entities/parcel?limit=%d%s%s"):format(limit, query or "",
          cursor and "&cursor=" .. http.escape(cursor) or "")), 200)
        for _, item in ipairs(page.items) do
          assert.is_nil(seen[item.id])
          seen[item.id] = item
        end
        pages, cursor = pages + 1, page.next_cursor
      until not cursor
      return seen, pages
    end

    local function count(set)
      local n = 0
      for _ in pairs(set) do n = n + 1 end
      return n
    end

    setup(function()
      statute:write_policy("parcel.lua", [[
        return machine "parcel" { initial = "SENT", states = { SENT = { to = { LOST = true } }, LOST = { final = true } } }
      ]])
      http.expect(statute.client:post("/v1/policies/reload"), 200)
      local requests = {}
      for i = 1, 120 do
        requests[i] = { method = "POST", path = "/v1/entities/parcel",
                        body = { id = ("p%03d"):format(i), state = i % 3 == 0 and "LOST" or "SENT" } }
      end
      for _, answer in ipairs(http.parallel(statute.port, requests, 8)) do assert(answer.status == 201, answer.body) end
    end)

    it("have 50 items unless told otherwise", function()
      local page = http.expect(statute.client:get("/v1/entities/parcel"), 200)
      assert.equal(50, #page.items)
      assert.is_string(page.next_cursor)
    end)

    it("give each entity exactly once, page by page", function()
      local seen, pages = walk(nil, 50)
      assert.equal(120, count(seen))
      assert.equal(3, pages)
      assert.equal(120, count((walk(nil, 7))))
      assert.equal(120, count((walk(nil, 1000))))
    end)

    it("can be of one state only", function()
      local seen = walk("&state=LOST", 11)
      assert.equal(40, count(seen))
      for _, item in pairs(seen) do assert.equal("LOST", item.state) end
      assert.equal(80, count((walk("&state=SENT", 1000))))
    end)

    it("may be empty", function()
      local answer = statute.client:get("/v1/entities/parcel?state=BURNT")
      assert.same({}, http.expect(answer, 200).items)
      assert.truthy(answer.body:find('"items":[]', 1, true))
    end)

    it("refuse limits and cursors that make no sense", function()
      for _, query in ipairs { "limit=0", "limit=1001", "limit=-1", "limit=ten", "limit=", "limit=1&limit=2", "cursor=nonsense" } do
        http.expect(statute.client:get("/v1/entities/parcel?" .. query), 400, "bad_request")
      end
    end)

    it("of an unknown machine are 404", function()
      http.expect(statute.client:get("/v1/entities/gate"), 404, "unknown_machine")
    end)
  end)

  describe("changing data", function()
    local function patch(id, data, headers) return statute.client:patch("/v1/entities/door/" .. id, { data = data }, headers) end

    it("merges: null takes away, objects are merged, lists are replaced", function()
      statute:create("door", "m1", { height = 1, weight = 2, more = { a = 1, b = { c = 2, d = 3 } }, tags = { 1, 2 } })
      local answer = patch("m1", { height = http.null, more = { b = { c = http.null, e = 4 } }, tags = { 3 } })
      local door = http.expect(answer, 200)
      assert.same({ color = "red", weight = 2, more = { a = 1, b = { d = 3, e = 4 } }, tags = { 3 } }, door.data)
      assert.equal(2, door.version)
      assert.equal('"2"', answer.headers.etag)
      assert.equal("SHUT", door.state)
      assert.same(door.data, statute:read("door", "m1").json.data)
    end)

    it("that changes nothing makes no new version", function()
      statute:create("door", "m2", { height = 1 })
      assert.equal(1, http.expect(patch("m2", { height = 1 }), 200).version)
      assert.equal(1, statute:read("door", "m2").json.version)
    end)

    it("is checked like creation, and leaves everything as it was when refused", function()
      statute:create("door", "m3", { height = 1 })
      local problem = http.expect(patch("m3", { height = 301, weight = 5 }), 422, "validation_failed")
      assert.is_string(problem.errors.height)
      local door = statute:read("door", "m3").json
      assert.same({ height = 1, color = "red" }, door.data)
      assert.equal(1, door.version)
    end)

    it("honours If-Match", function()
      statute:create("door", "m4", { height = 1 })
      http.expect(patch("m4", { height = 2 }, { ["If-Match"] = '"2"' }), 412, "version_conflict")
      assert.equal(1, statute:read("door", "m4").json.data.height)
      assert.equal(2, http.expect(patch("m4", { height = 2 }, { ["If-Match"] = '"1"' }), 200).version)
      http.expect(patch("m4", { height = 3 }, { ["If-Match"] = '"1"' }), 412, "version_conflict")
      http.expect(patch("m4", { height = 3 }, { ["If-Match"] = "*" }), 200)
      local weak = http.expect(patch("m4", { height = 4 }, { ["If-Match"] = 'W/"3"' }), 412, "version_conflict")
      assert.truthy(weak.detail:find("weak validator", 1, true), weak.detail)
      http.expect(patch("m4", {}, { ["If-Match"] = '"1", "99", W/"3"' }), 412, "version_conflict")
      for _, list in ipairs { '"3", "99"', '"1" ,"3","2"', '"x", "3"' } do
        http.expect(patch("m4", {}, { ["If-Match"] = list }), 200)
      end
      http.expect(patch("m4", { height = 4 }, { ["If-Match"] = '"1", "3"' }), 200)
      http.expect(patch("m4", { height = 5 }, { ["If-Match"] = "4" }), 400, "bad_request")
    end)

    it("lets one of many with the same If-Match through", function()
      statute:create("door", "m5", { height = 1 })
      local requests = {}
      for i = 1, 10 do
        requests[i] = { method = "PATCH", path = "/v1/entities/door/m5", body = { data = { height = 10 + i } },
                        headers = { ["If-Match"] = '"1"' } }
      end
      local won = 0
      for _, answer in ipairs(http.parallel(statute.port, requests, 10)) do
        if answer.status == 200 then won = won + 1 else http.expect(answer, 412, "version_conflict") end
      end
      assert.equal(1, won)
      assert.equal(2, statute:read("door", "m5").json.version)
    end)

    it("is audited", function()
      statute:create("door", "m6", { height = 1 })
      http.expect(patch("m6", { height = 2 }), 200)
      local records = statute:history("door", "m6")
      assert.equal(2, #records)
      assert.equal("SHUT", records[2].from_state)
      assert.equal("SHUT", records[2].to_state)
      assert.same({ height = 2 }, records[2].patch)
      assert.is_true(records[2].success)
    end)

    it("needs data, an object", function()
      statute:create("door", "m7", {})
      for _, body in ipairs { "{}", '{"data":1}', '{"data":[]}', "[]", "1", "" } do
        http.expect(statute.client:request("PATCH", "/v1/entities/door/m7", body), 400, "bad_request")
      end
    end)

    it("of what is not there is 404", function()
      http.expect(patch("nobody", { height = 1 }), 404, "entity_not_found")
      http.expect(statute.client:patch("/v1/entities/gate/x", { data = {} }), 404, "unknown_machine")
    end)
  end)
end)
