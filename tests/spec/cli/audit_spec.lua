local http     = require "tests.support.http"
local json     = require "tests.support.json"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local DOOR = [[
return machine "door" { initial = "SHUT", states = { SHUT = { to = { OPEN = true } }, OPEN = { to = { SHUT = true } } } }
]]

-- A store with the chains of five doors, of four records each; who made it removes it.
local function fill(directory)
  local statute = server.start { directory = directory, policies = { ["door.lua"] = DOOR } }
  for i = 1, 5 do
    statute:create("door", "d" .. i, { n = i })
    http.expect(statute:move("door", "d" .. i, { to = "OPEN", comments = "Number " .. i }), 200)
    statute:move("door", "d" .. i, "OPEN")
    http.expect(statute:move("door", "d" .. i, "SHUT"), 200)
  end
  statute:stop(true)
  return statute.store
end

describe("statute audit", function()
  local directory, store

  setup(function()
    directory = policies.temporary()
    store = fill(directory)
  end)
  teardown(function() policies.remove(directory) end)

  -- Runs SQL on a copy of the database and verifies the copy.
  local function tampered(sql, ...)
    local copy = directory .. "/copy.db"
    os.execute(("rm -f %s*"):format(copy))
    local status, out, err = server.run { "sqlite3", directory .. "/x.db", ".backup " .. copy }
    assert(status == 0, out .. err)
    status, out, err = server.run { "sqlite3", copy, sql }
    assert(status == 0, out .. err)
    local words = select("#", ...) > 0 and { ... } or { "audit", "verify" }
    table.move({ "--store", "sqlite:" .. copy }, 1, 2, #words + 1, words)
    return server.statute(words)
  end

  local function entity(id) return ("(SELECT number FROM entity WHERE id = '%s')"):format(id) end

  it("verify says that all is fine when nobody touched anything", function()
    local status, out, err = server.statute { "audit", "verify", "--store", store }
    assert.equal(0, status, out .. err)
    assert.truthy(out:find("ok: 20 records in 5 chains, 0 problems", 1, true), out .. err)
  end)

  -- what was done to the database, and what the problem must name
  local TAMPERED = {
    ["a record that was changed"]          = { "UPDATE audit SET json = replace(json, 'Number 3', 'Number 4')", "d3" },
    ["a record that lost its refusal"]     = { "UPDATE audit SET json = replace(json, 'invalid_transition', 'ok') WHERE entity = " .. entity "d4", "d4" },
    ["a record taken out of the middle"]   = { "DELETE FROM audit WHERE sequence = 2 AND entity = " .. entity "d2", "d2" },
    ["a tail that was cut off"]            = { "DELETE FROM audit WHERE sequence = 4 AND entity = " .. entity "d5", "d5" },
    ["a first record that was taken out"]  = { "DELETE FROM audit WHERE sequence = 1 AND entity = " .. entity "d1", "d1" },
    ["a hash that was forged"]             = { "UPDATE audit SET hash = previous_hash WHERE sequence = 3 AND entity = " .. entity "d1", "d1" },
    ["a column that says otherwise"]       = { "UPDATE audit SET actor = 'nobody', success = 1 WHERE sequence = 3 AND entity = " .. entity "d2", "d2" },
    ["an entity moved behind its back"]    = { "UPDATE entity SET kind = (SELECT id FROM kind WHERE state = 'OPEN') WHERE id = 'd1'", "d1" },
    ["an entity's data changed"]           = { "UPDATE entity SET data = '{\"n\":7}' WHERE id = 'd2'", "d2" },
    ["an entity's row deleted"]            = { "DELETE FROM entity WHERE id = 'd4'", "is of an entity whose row is gone" },
    ["the newest entity's row deleted"]    = { "DELETE FROM entity WHERE id = 'd5'", "is of an entity whose row is gone" },
    ["an entity's version changed"]        = { "UPDATE entity SET version = 9 WHERE id = 'd3'", "d3" },
  }
  for name, case in pairs(TAMPERED) do
    it("verify finds " .. name, function()
      local status, out, err = tampered(case[1])
      assert.equal(1, status, out .. err)
      assert.truthy(out:find(case[2], 1, true), out .. err)
    end)

    it("statute verify finds " .. name, function()
      local status, out, err = tampered(case[1], "verify")
      assert.equal(1, status, out .. err)
      assert.truthy(out:find(case[2], 1, true), out .. err)
    end)
  end

  it("verify finds that an entity that is asked for is gone", function()
    local status, out, err = tampered("DELETE FROM entity WHERE id = 'd4'", "audit", "verify", "--machine", "door", "--entity", "d4")
    assert.equal(1, status, out .. err)
    assert.truthy(out:find("there is no such entity", 1, true), out .. err)
  end)

  it("export writes every record, one a line", function()
    local status, out, err = server.statute { "audit", "export", "--store", store }
    assert.equal(0, status, err)
    local count = 0
    for line in out:gmatch("[^\n]+") do
      local record = assert(json.decode(line))
      assert.equal("door", record.machine)
      assert.is_string(record.hash)
      count = count + 1
    end
    assert.equal(20, count)
  end)

  it("exits with 3 when there is no store", function()
    assert.equal(3, (server.statute { "audit", "verify", "--store", "sqlite:" .. directory .. "/none/x.db" }))
  end)
end)

describe("statute audit verify on PostgreSQL", function()
  local admin = os.getenv("STATUTE_TEST_POSTGRES")
  if not admin then return pending("STATUTE_TEST_POSTGRES is not set") end
  local kind, directory, store, copies = server.store_kind, nil, nil, 0

  setup(function()
    server.store_kind = "postgresql"
    directory = policies.temporary()
    store = fill(directory)
  end)
  teardown(function()
    server.drop_store(store)
    policies.remove(directory)
    server.store_kind = kind
  end)

  -- Runs SQL on a copy of the database and verifies the copy.
  local function tampered(sql)
    copies = copies + 1
    local name = ("%s-%d"):format(store:match("[^/]+$"), copies)
    server.sql(admin, ('CREATE DATABASE "%s" TEMPLATE "%s"'):format(name, store:match("[^/]+$")))
    local copy = (store:gsub("[^/]+$", name))
    server.sql(copy, sql)
    local status, out, err = server.statute { "audit", "verify", "--store", copy }
    server.drop_store(copy)
    return status, out, err
  end

  it("says that all is fine when nobody touched anything", function()
    local status, out, err = server.statute { "audit", "verify", "--store", store }
    assert.equal(0, status, out .. err)
    assert.truthy(out:find("ok: 20 records in 5 chains, 0 problems", 1, true), out .. err)
    status, out, err = server.statute { "audit", "verify", "--store", store, "--machine", "door" }
    assert.equal(0, status, out .. err)
    assert.truthy(out:find("ok: 20 records in 5 chains, 0 problems", 1, true), out .. err)
  end)

  local function of(id) return ("entity = (SELECT number FROM entity WHERE id = '%s')"):format(id) end

  -- what was done to the database, and how the problem is told
  local TAMPERED = {
    ["a record that was changed"]         = { "UPDATE audit SET json = replace(json, 'Number 3', 'Number 4') WHERE " .. of "d3",
      "door 'd3', record 2: the hash does not match the record" },
    ["a record taken out of the middle"]  = { "DELETE FROM audit WHERE sequence = 2 AND " .. of "d2",
      "door 'd2', record 3: the record before it is 1: records are missing" },
    ["a tail that was cut off"]           = { "DELETE FROM audit WHERE sequence = 4 AND " .. of "d5",
      "door 'd5': the entity's newest record should be 4, but the chain ends with 3" },
    ["a first record that was taken out"] = { "DELETE FROM audit WHERE sequence = 1 AND " .. of "d1",
      "door 'd1', record 2: the record before it is 0: records are missing" },
    ["a chain that is gone"]              = { "DELETE FROM audit WHERE " .. of "d3", "door 'd3': the entity has no audit record at all" },
    ["a hash that was forged"]            = { "UPDATE audit SET hash = previous_hash WHERE sequence = 3 AND " .. of "d1",
      "door 'd1', record 4: previous_hash is not the hash of the record before" },
    ["a column that says otherwise"]      = { "UPDATE audit SET actor = 'nobody' WHERE sequence = 3 AND " .. of "d2",
      "door 'd2', record 3: the column actor_id says 'nobody'" },
    ["an entity moved behind its back"]   = { "UPDATE entity SET state = 'OPEN' WHERE id = 'd1'",
      "door 'd1': the entity is in state 'OPEN', but its newest record says 'SHUT'" },
    ["an entity that vanished"]           = { "UPDATE entity SET state = NULL WHERE id = 'd1'", "door 'd1': the entity is gone" },
    ["an entity's data changed"]          = { [[UPDATE entity SET data = '{"n":7}' WHERE id = 'd2']],
      "door 'd2': the entity's data does not match the hash" },
    ["data that is no JSON"]              = { "UPDATE entity SET data = '{' WHERE id = 'd2'", "door 'd2': the entity's data is not JSON" },
    ["an entity's version changed"]       = { "UPDATE entity SET version = 9 WHERE id = 'd3'", "door 'd3': the entity has version 9" },
    ["an entity's row deleted"]           = { "DELETE FROM entity WHERE id = 'd4'", "is of an entity whose row is gone" },
    ["the newest hash of an entity"]      = { "UPDATE entity SET audit_hash = sha256('x') WHERE id = 'd4'",
      "door 'd4': the entity does not have the hash of its newest record" },
  }
  for name, case in pairs(TAMPERED) do
    it("finds " .. name, function()
      local status, out, err = tampered(case[1])
      assert.equal(1, status, out .. err)
      assert.truthy(out:find(case[2], 1, true), out .. err)
    end)
  end

  it("takes data that is only written otherwise for the same", function()
    local status, out, err = tampered([[UPDATE entity SET data = '{ "n": 2 }' WHERE id = 'd2']])
    assert.equal(0, status, out .. err)
  end)
end)
