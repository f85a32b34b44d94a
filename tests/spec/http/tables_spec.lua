local http     = require "tests.support.http"
local server   = require "tests.support.server"

local JOB = [[
return machine "job" {
  initial = "NEW",
  fields = { assigned_to = "string", urgent = "boolean", due = "datetime", extra = "object", note = "string", hours = "number" },
  table = {
    name = "activity_jobneed", id = "id", state = "jobstatus", version = "version",
    fields = { assigned_to = "assignedto", urgent = "urgent", due = "due", extra = "extra", hours = "hours" },
  },
  states = {
    NEW = { to = { OPEN = true } },
    OPEN = { to = { DONE = { guard = function(data) return data.assigned_to ~= nil, "nobody is assigned" end }, NEW = true } },
    DONE = { final = true },
  },
}
]]

-- No version column, a text key, and a name that has to be quoted.
local TAG = [[
return machine "tag" {
  initial = "ON",
  table = { name = "Tag list", id = "the key", state = "state", fields = { colour = "the colour" } },
  states = { ON = { to = { OFF = true } }, OFF = { to = { ON = true } } },
}
]]

-- What an application makes of it: each database with its own types.
local TABLES = {
  sqlite = [[
    CREATE TABLE activity_jobneed (id integer PRIMARY KEY, jobstatus text NOT NULL, version integer NOT NULL DEFAULT 1,
      assignedto text CHECK (length(assignedto) < 10), urgent boolean, due text, extra text, hours real, site text DEFAULT 'HQ');
    CREATE TABLE "Tag list" ("the key" text UNIQUE, state text, "the colour" text DEFAULT 'red');
    CREATE TABLE bare (id integer, jobstatus text);]],
  postgresql = [[
    CREATE TABLE person (name varchar(20) PRIMARY KEY);
    INSERT INTO person VALUES ('ann'), ('bob'), ('eve');
    CREATE TABLE activity_jobneed (id bigserial PRIMARY KEY, jobstatus varchar(20) NOT NULL, version integer NOT NULL DEFAULT 1,
      assignedto varchar(9) REFERENCES person DEFERRABLE INITIALLY DEFERRED, urgent boolean, due timestamptz, extra jsonb,
      hours numeric, site text DEFAULT 'HQ');
    CREATE TABLE "Tag list" ("the key" text UNIQUE, state text, "the colour" text DEFAULT 'red');
    CREATE TABLE bare (id integer, jobstatus text);]],
}

describe("an application's own table", function()
  local statute, store

  local function sql(statement) return server.sql(store, statement) end
  local function row(id) return sql("SELECT jobstatus, version, assignedto FROM activity_jobneed WHERE id = " .. id)[1] end

  local ids = 0
  local function job(state, assigned)
    ids = ids + 1
    sql(("INSERT INTO activity_jobneed (id, jobstatus, assignedto) VALUES (%d, '%s', %s)"):format(ids, state or "NEW",
      assigned and "'" .. assigned .. "'" or "NULL"))
    return tostring(ids)
  end

  local function actions(id)
    local list = {}
    for _, record in ipairs(statute:history("job", id)) do
      list[#list + 1] = ("%s %s>%s v%d"):format(record.action, record.from_state or "", record.to_state or "", record.version)
    end
    return list
  end

  setup(function()
    statute = server.start { policies = { ["x.lua"] = 'return machine "x" { initial = "A", states = { A = {} } }' } }
    store = statute.store
    sql(TABLES[server.store_kind])
    statute:write_policy("job.lua", JOB)
    statute:write_policy("tag.lua", TAG)
    http.expect(statute.client:post("/v1/policies/reload"), 200)
  end)
  teardown(function() statute:stop() end)

  it("shows its rows before anybody has moved them", function()
    local id = job("OPEN", "ann")
    local entity = http.expect(statute:read("job", id), 200)
    assert.equal("OPEN", entity.state)
    assert.same({ assigned_to = "ann" }, entity.data)
    assert.equal(1, entity.version)
    assert.equal(404, statute:read("job", "0" .. id).status)
    assert.equal(404, statute:read("job", "987654").status)
  end)

  it("rounds a number of more digits than JSON keeps, and goes on", function()
    local id = job("NEW", "ann")
    sql("UPDATE activity_jobneed SET hours = 1.0 / 3 WHERE id = " .. id)
    assert.is_true(math.abs(statute:read("job", id).json.data.hours - 1 / 3) < 1e-15)
    http.expect(statute:move("job", id, "OPEN"), 200)
  end)

  it("holds state, data and version after a transition, in the same transaction as the audit", function()
    local id = job("NEW", "ann")
    local answer = http.expect(statute:move("job", id, { to = "OPEN", data = { urgent = true, extra = { a = { 1, 2 } }, hours = 1.5,
      due = "2026-11-24T10:00:00Z", note = "mine" } }), 200)
    assert.equal(2, answer.version)
    assert.equal("OPEN|2|ann", row(id))
    assert.same({ assigned_to = "ann", urgent = true, extra = { a = { 1, 2 } }, hours = 1.5, due = "2026-11-24T10:00:00Z", note = "mine" },
      statute:read("job", id).json.data)
    assert.same({ "notice >NEW v1", "transition NEW>OPEN v2" }, actions(id))
    assert.equal("HQ", sql("SELECT site FROM activity_jobneed WHERE id = " .. id)[1])
    -- written and read back is not taken for somebody else's change
    http.expect(statute:move("job", id, "NEW"), 200)
    assert.same({ "notice >NEW v1", "transition NEW>OPEN v2", "transition OPEN>NEW v3" }, actions(id))
  end)

  it("notices a direct UPDATE, records it, and decides on what is there", function()
    local id = job("NEW")
    http.expect(statute:move("job", id, "OPEN"), 200)
    http.expect(statute:move("job", id, "DONE"), 422)
    sql("UPDATE activity_jobneed SET assignedto = 'bob' WHERE id = " .. id)
    assert.equal("bob", statute:read("job", id).json.data.assigned_to)
    assert.equal(412, statute:move("job", id, { to = "DONE", options = { if_version = 2 } }).status)
    http.expect(statute:move("job", id, { to = "DONE", options = { if_version = 3 } }), 200)
    assert.equal("DONE|4|bob", row(id))
    local records = statute:history("job", id)
    assert.same({ "notice >NEW v1", "transition NEW>OPEN v2", "transition OPEN>DONE v2", "notice OPEN>OPEN v3", "transition OPEN>DONE v3",
      "transition OPEN>DONE v4" }, actions(id))
    assert.equal("bob", records[4].patch.assigned_to)
    assert.matches("was changed by another program", records[4].comments)
    assert.is_nil(records[4].actor)
  end)

  it("follows a state that was set behind its back, and a version that runs ahead", function()
    local id = job("NEW", "ann")
    http.expect(statute:move("job", id, "OPEN"), 200)
    sql("UPDATE activity_jobneed SET jobstatus = 'NEW', version = 40 WHERE id = " .. id)
    local answer = http.expect(statute:move("job", id, "OPEN"), 200)
    assert.equal("NEW", answer.from)
    assert.equal(41, answer.version)
    assert.equal("OPEN|41|ann", row(id))
    sql("UPDATE activity_jobneed SET jobstatus = 'LIMBO' WHERE id = " .. id)
    assert.equal(409, statute:move("job", id, "DONE").status)
    assert.equal("LIMBO|42|ann", row(id))
  end)

  it("makes rows, with the table's own defaults", function()
    local answer = http.expect(statute.client:post("/v1/entities/job", { id = "5000", data = { urgent = false, assigned_to = "eve" } }), 201)
    assert.equal("NEW", answer.state)
    assert.equal("NEW|1|eve", row(5000))
    assert.equal("HQ", sql("SELECT site FROM activity_jobneed WHERE id = 5000")[1])
    assert.equal(409, statute.client:post("/v1/entities/job", { id = "5000" }).status)
    local id = job("OPEN")
    assert.equal(409, statute.client:post("/v1/entities/job", { id = id }).status)
  end)

  it("does not find a row that was deleted, and can make it again", function()
    local id = job("NEW", "ann")
    http.expect(statute:move("job", id, "OPEN"), 200)
    sql("DELETE FROM activity_jobneed WHERE id = " .. id)
    assert.equal(404, statute:read("job", id).status)
    assert.equal(404, statute:move("job", id, "DONE").status)
    assert.equal(3, http.expect(statute.client:post("/v1/entities/job", { id = id }), 201).version)
    assert.equal("NEW|3|", row(id))
  end)

  it("refuses what the table refuses, audits it, and harms nobody else", function()
    local bad, good = job("NEW", "ann"), job("NEW", "ann")
    local refused = statute:move("job", bad, { to = "OPEN", data = { assigned_to = "a name too long" } })
    assert.equal(422, refused.status)
    assert.equal("validation_failed", refused.json.code)
    assert.matches("the table 'activity_jobneed' refuses it", refused.json.detail)
    assert.equal("NEW|1|ann", row(bad))
    local records = statute:history("job", bad)
    assert.is_false(records[#records].success)
    assert.equal("validation_failed", records[#records].error_code)
    local batch = http.expect(statute.client:post("/v1/batches", { machine = "job", to = "OPEN", ids = { bad, good }, mode = "sequential",
      data = { assigned_to = "a name too long" } }), 200)
    assert.equal(2, batch.failed)
    http.expect(statute:move("job", good, "OPEN"), 200)
    assert.equal(400 <= statute.client:post("/v1/entities/job", { id = "no number" }).status, true)
    http.expect(statute:move("job", bad, "OPEN"), 200)
  end)

  it("calls in constraints that would wait for COMMIT", function()
    if server.store_kind ~= "postgresql" then return assert.equal("sqlite", server.store_kind) end
    local id = job("NEW", "ann")
    local refused = statute:move("job", id, { to = "OPEN", data = { assigned_to = "nobody" } })
    assert.equal(422, refused.status)
    assert.matches("foreign key", refused.json.detail)
    assert.equal("NEW|1|ann", row(id))
  end)

  it("works without a version column, with names that need quotes and ids that are texts", function()
    sql([[INSERT INTO "Tag list" VALUES ('a''b', 'ON', 'blue')]])
    local answer = http.expect(statute:move("tag", "a'b", "OFF"), 200)
    assert.same({ 2, "blue" }, { answer.version, answer.data.colour })
    assert.same({ "OFF|blue" }, sql([[SELECT state, "the colour" FROM "Tag list"]]))
    sql([[UPDATE "Tag list" SET "the colour" = NULL]])
    answer = http.expect(statute:move("tag", "a'b", "ON"), 200)
    assert.equal(4, answer.version)
    assert.is_nil(answer.data.colour)
  end)

  it("loses no direct update to clients who move the same row", function()
    local id = job("NEW", "ann")
    http.expect(statute:move("job", id, "OPEN"), 200)
    local requests = {}
    for _ = 1, 3 do
      for _, to in ipairs { "NEW", "OPEN" } do requests[#requests + 1] = { to = to } end
    end
    for round = 1, 20 do
      sql(("UPDATE activity_jobneed SET hours = %d WHERE id = %s"):format(round, id))
      statute:move("job", id, requests[round % #requests + 1])
      assert.equal(round, statute:read("job", id).json.data.hours)
      assert.equal(round, tonumber(sql("SELECT hours FROM activity_jobneed WHERE id = " .. id)[1]))
    end
    local notices = 0
    for _, record in ipairs(statute:history("job", id)) do notices = notices + (record.action == "notice" and 1 or 0) end
    assert.equal(21, notices)
  end)

  it("must be there, with its columns and a unique id, before a policy comes into force", function()
    local function refused(source, with)
      statute:write_policy("bare.lua", source)
      local answer = statute.client:post("/v1/policies/reload")
      statute:remove_policy("bare.lua")
      assert.equal(422, answer.status)
      assert.matches(with, answer.body)
    end
    local function bare(name, columns)
      return ('return machine "bare" { initial = "A", table = { name = "%s", %s }, states = { A = {} } }'):format(name, columns)
    end
    refused(bare("bare", "id = 'id', state = 'jobstatus'"), "has no unique index")
    refused(bare("nowhere", "id = 'id', state = 'jobstatus'"), "has no table 'nowhere'")
    refused(bare("activity_jobneed", "id = 'id', state = 'status'"), "has no column 'status'")
    refused(bare("audit", "id = 'uuid', state = 'json'"), "belongs to the store")
    refused(bare("a\\\"b", "id = 'id', state = 'x'"), "is not a table name")
    refused(bare("a\\0b", "id = 'id', state = 'x'"), "is not a table name")
    refused(bare("bare", "id = 'i\\nd', state = 'x'"), "is not a column name")
    refused(bare("bare", "state = 'jobstatus'"), "'id' is missing")
    refused(bare("bare", "id = 'id', state = 'id2', fields = { a = 'id' }"), "is used twice")
    http.expect(statute.client:post("/v1/policies/reload"), 200)
  end)

  it("leaves an audit that verifies", function()
    statute:stop(true)
    local status, out, err = server.statute { "audit", "verify", "--store", store }
    assert.equal(0, status, out .. err)
    statute:restart()
  end)
end)
