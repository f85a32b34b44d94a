local chain  = require "tests.support.chain"
local http   = require "tests.support.http"
local server = require "tests.support.server"

local BOX = [[
return machine "box" {
  initial = "SHUT",
  states = {
    SHUT = { to = { OPEN = { permit = "box.open", guard = function(box) return box.empty ~= true, "Nothing in it" end } } },
    OPEN = { to = { SHUT = true, LOST = true } },
    LOST = { final = true, require = function() error("not in this house") end },
  },
}
]]

local PII = [[ return pii { drop = { "password" }, redact = { "email" } } ]]

local ANN = { id = "ann", roles = { "porter" }, permissions = { "box.open" }, attributes = { floor = 3 } }

describe("the history", function()
  local statute, boxes = nil, 0

  setup(function() statute = server.start { policies = { ["box.lua"] = BOX, ["pii.lua"] = PII } } end)
  teardown(function() statute:stop() end)

  local function box(data, state)
    boxes = boxes + 1
    return statute:create("box", "box-" .. boxes, data or {}, state).id
  end

  local function path(id, query) return ("/v1/entities/box/%s/history%s"):format(id, query or "") end

  it("has one record an attempt, with every field of the contract", function()
    local id = box { n = 1 }
    local done = http.expect(statute:move("box", id, { to = "OPEN", actor = ANN, reason = "api", comments = "Look.",
      metadata = { app = "shelf", nested = { a = { 1 } } }, data = { n = 2 } }, { ["X-Request-Id"] = "req-1" }), 200)
    local records = statute:history("box", id)
    assert.equal(2, #records)
    local created, opened = records[1], records[2]
    assert.is_nil(created.from_state)
    assert.equal("SHUT", created.to_state)
    assert.equal(1, created.sequence)
    assert.equal(("0"):rep(64), created.previous_hash)
    assert.equal(done.audit_id, opened.uuid)
    assert.equal(done.audit_sequence, opened.sequence)
    assert.equal(done.audit_hash, opened.hash)
    assert.equal(created.hash, opened.previous_hash)
    assert.equal("box", opened.machine)
    assert.equal(id, opened.entity_id)
    assert.equal("SHUT", opened.from_state)
    assert.equal("OPEN", opened.to_state)
    assert.same(ANN, opened.actor)
    assert.equal("api", opened.reason)
    assert.equal("Look.", opened.comments)
    assert.same({ app = "shelf", nested = { a = { 1 } } }, opened.metadata)
    assert.same({ n = 2 }, opened.patch)
    assert.is_true(opened.success)
    assert.is_nil(opened.error_code)
    assert.equal("state_transition:box:" .. id, opened.lock_key)
    assert.equal("read committed", opened.isolation)
    assert.equal(0, opened.retries)
    assert.equal(done.policy, opened.policy)
    assert.equal("req-1", opened.request_id)
    assert.equal("integer", math.type(opened.execution_us))
    assert.equal("integer", math.type(opened.lock_us))
    assert.truthy(opened.timestamp:match("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d[.%d]*Z$"))
  end)

  it("shows all of the contract's keys even when they are null", function()
    local record = chain.decode(statute.client:get(path(box())).body).items[1]
    for key in ([[uuid sequence machine entity_id from_state to_state actor reason comments metadata timestamp success
      error_code error_message execution_us lock_us lock_key isolation retries policy request_id patch previous_hash
      hash data_hash]]):gmatch("%S+") do
      assert.is_not_nil(record[key], key)
    end
  end)

  it("ties the entity's data to each record, refused or not", function()
    local id = box { n = 1 }
    http.expect(statute:move("box", id, { to = "OPEN", actor = ANN, data = { n = 2 } }), 200)
    http.expect(statute:move("box", id, { to = "LOST", actor = ANN, options = { if_version = 9 } }), 412)
    http.expect(statute:move("box", "nowhere", { to = "OPEN", actor = ANN }), 404)
    local records = statute:history("box", id)
    assert.equal(chain.sha256 '{"n":1}', records[1].data_hash)
    assert.equal(chain.sha256 '{"n":2}', records[2].data_hash)
    assert.equal(chain.sha256 '{"n":2}', records[3].data_hash)
    assert.is_nil(statute:history("box", "nowhere")[1].data_hash)
  end)

  it("records refusals like successes", function()
    local id = box { empty = true }
    http.expect(statute:move("box", id, { to = "LOST", actor = ANN }), 409, "invalid_transition")
    http.expect(statute:move("box", id, { to = "OPEN" }), 403, "permission_denied")
    http.expect(statute:move("box", id, { to = "OPEN", actor = ANN, comments = "Please." }), 422, "guard_rejected")
    http.expect(statute:move("box", id, { to = "OPEN", actor = ANN, options = { if_version = 9 } }), 412, "version_conflict")
    http.expect(statute.client:post("/v1/entities/box", { id = id }), 409, "already_exists")
    local codes = {}
    for i, record in ipairs(statute:history("box", id)) do
      codes[i] = record.error_code or "ok"
      if i > 1 then
        assert.is_false(record.success)
        assert.is_string(record.error_message)
      end
    end
    assert.same({ "ok", "invalid_transition", "permission_denied", "guard_rejected", "version_conflict", "already_exists" }, codes)
    assert.equal(1, statute:read("box", id).json.version)
  end)

  it("records policy errors", function()
    local id = box({}, "OPEN")
    http.expect(statute:move("box", id, { to = "LOST", actor = ANN }), 500, "policy_error")
    local records = statute:history("box", id)
    assert.equal("policy_error", records[2].error_code)
    assert.equal("OPEN", statute:read("box", id).json.state)
  end)

  it("answers a refusal with the id of its record", function()
    local id = box()
    local problem = http.expect(statute:move("box", id, { to = "LOST" }), 409, "invalid_transition")
    assert.equal(statute:history("box", id)[2].uuid, problem.audit_id)
  end)

  it("is a chain that anybody can compute again", function()
    local id = box({ text = 'ü "q" \\ \u{1F600}', list = { 1, 2.5, false }, ["\u{1F600}"] = 1, ["\u{FB33}"] = 2 })
    for i = 1, 4 do
      http.expect(statute:move("box", id, { to = i % 2 == 1 and "OPEN" or "SHUT", actor = ANN, comments = "Zug\t" .. i }), 200)
      statute:move("box", id, { to = "LOST" })
    end
    local items = chain.decode(statute.client:get(path(id, "?limit=1000")).body).items
    assert.equal(9, #items)
    assert.is_true(chain.verify(items))
    items[3].comments = "forged"
    assert.is_nil((chain.verify(items)))
  end)

  it("comes oldest first, 25 records a page", function()
    local id = box({}, "OPEN")
    for i = 1, 59 do http.expect(statute:move("box", id, { to = i % 2 == 1 and "SHUT" or "OPEN", actor = ANN }), 200) end
    local page = http.expect(statute.client:get(path(id)), 200)
    assert.equal(25, #page.items)
    local sequence = 0
    while page do
      for _, record in ipairs(page.items) do
        sequence = sequence + 1
        assert.equal(sequence, record.sequence)
      end
      page = page.next_cursor and http.expect(statute.client:get(path(id, "?limit=25&cursor=" .. http.escape(page.next_cursor))), 200)
    end
    assert.equal(60, sequence)
  end)

  it("refuses limits and cursors that make no sense", function()
    local id = box()
    for _, query in ipairs { "?limit=0", "?limit=1001", "?limit=x", "?cursor=%00", "?cursor=nonsense", "?offset=3" } do
      http.expect(statute.client:get(path(id, query)), 400, "bad_request")
    end
  end)

  it("of what never was is 404", function()
    http.expect(statute.client:get(path("never")), 404, "entity_not_found")
    http.expect(statute.client:get("/v1/entities/crate/x/history"), 404, "unknown_machine")
  end)

  it("holds no personal data", function()
    local id = box()
    http.expect(statute:move("box", id, { to = "OPEN", actor = ANN, comments = "Ask joe@example.com",
      metadata = { Password = "hunter2", deep = { password = "hunter2", mail = "joe@example.com" } }, data = { password = "hunter2" } }), 200)
    local body = statute.client:get(path(id)).body
    assert.is_nil(body:find("hunter2", 1, true))
    assert.is_nil(body:find("joe@example.com", 1, true))
  end)
end)

describe("the audit", function()
  local statute

  setup(function()
    statute = server.start { policies = { ["box.lua"] = BOX } }
    for i = 1, 3 do statute:create("box", "b" .. i, {}) end
    http.expect(statute:move("box", "b1", { to = "OPEN", actor = ANN, reason = "api" }), 200)
    http.expect(statute:move("box", "b2", { to = "OPEN", actor = { id = "bob" } }), 403, "permission_denied")
    http.expect(statute:move("box", "b1", { to = "SHUT", actor = ANN }), 200)
  end)
  teardown(function() statute:stop() end)

  local function search(query) return http.expect(statute.client:get("/v1/audit" .. query), 200).items end

  it("finds all records, oldest first", function()
    local items = search ""
    assert.equal(6, #items)
    for i = 2, #items do assert.is_true(items[i - 1].timestamp <= items[i].timestamp) end
  end)

  it("searches by each key, and by several", function()
    assert.equal(6, #search "?machine=box")
    assert.equal(0, #search "?machine=crate")
    assert.equal(3, #search "?machine=box&entity=b1")
    assert.equal(2, #search "?from_state=SHUT")
    assert.equal(2, #search "?to_state=OPEN")
    assert.equal(2, #search "?actor=ann")
    assert.equal(1, #search "?actor=bob")
    assert.equal(1, #search "?reason=api")
    assert.equal(1, #search "?success=false")
    assert.equal(5, #search "?success=true")
    assert.equal(1, #search "?machine=box&to_state=OPEN&success=true&actor=ann")
  end)

  it("searches by time", function()
    local third = search("")[3].timestamp
    assert.equal(6, #search "?since=2020-01-01T00:00:00Z")
    assert.equal(0, #search "?until=2020-01-01T00:00:00Z")
    local since, until_ = #search("?since=" .. http.escape(third)), #search("?until=" .. http.escape(third))
    assert.equal(6, since + until_)
    assert.equal(0, #search "?since=2020-01-01T05:30:00%2B05:30&until=2020-01-01T00:00:00Z")
  end)

  it("comes page by page", function()
    local seen, cursor = 0, nil
    repeat
      local page = http.expect(statute.client:get("/v1/audit?limit=4" .. (cursor and "&cursor=" .. http.escape(cursor) or "")), 200)
      seen, cursor = seen + #page.items, page.next_cursor
    until not cursor
    assert.equal(6, seen)
  end)

  it("refuses questions that make no sense", function()
    for _, query in ipairs { "?success=maybe", "?since=yesterday", "?limit=0", "?colour=red", "?since=2025-10-01T00:00:00" } do
      http.expect(statute.client:get("/v1/audit" .. query), 400, "bad_request")
    end
  end)
end)
