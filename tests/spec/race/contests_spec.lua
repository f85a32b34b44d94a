-- Many want something of one entity at once. What each was told, and what is recorded, must be one story.
local history = require "tests.support.history"
local http    = require "tests.support.http"
local server  = require "tests.support.server"

local JOB = [[
local function has_report(job) return job.report ~= nil, "A job is done when its report is there" end
return machine "job" {
  initial = "OPEN",
  states = {
    OPEN = { to = { TAKEN = true, HELD = true, DROPPED = true, SEALED = { permit = "job.seal" } } },
    TAKEN = { to = { DONE = { guard = has_report } } }, HELD = { to = { TAKEN = true, DROPPED = true } },
    DONE = { final = true }, DROPPED = { final = true }, SEALED = { final = true },
  },
}
]]
local WORKERS = 5

describe("a contest", function()
  local statute

  setup(function()
    statute = server.start { policies = { ["job.lua"] = JOB, ["walk.lua"] = history.WALK }, nodes = server.nodes }
  end)
  teardown(function() statute:stop() end)

  -- Every worker sends one request at the same moment. Returns answers by status, the records, and the entity.
  local function contest(id, request_of)
    local requests, by_status = {}, {}
    for worker = 1, WORKERS do
      requests[worker] = { method = "POST", path = "/v1/entities/job/" .. id .. "/transitions", body = request_of(worker) }
      requests[worker].body.actor = requests[worker].body.actor or { id = "worker-" .. worker }
    end
    for _, answer in ipairs(http.parallel(statute.ports, requests, WORKERS)) do
      assert.is_string(answer.json.audit_id, answer.body)
      by_status[answer.status] = by_status[answer.status] or {}
      table.insert(by_status[answer.status], answer)
    end
    return by_status, statute:history("job", id), statute:read("job", id).json
  end

  local function create(id, ...)
    statute:create("job", id, {})
    for _, to in ipairs { ... } do http.expect(statute:move("job", id, to), 200) end
  end

  -- The records, but for the first `skip`, must be those of the answers: each once.
  local function assert_all_recorded(by_status, records, skip)
    local seen = {}
    for i = skip + 1, #records do seen[records[i].uuid] = records[i].success end
    for status, answers in pairs(by_status) do
      for _, answer in ipairs(answers) do
        assert.equal(status == 200, seen[answer.json.audit_id])
        seen[answer.json.audit_id] = nil
      end
    end
    assert.is_nil(next(seen))
    assert.equal(WORKERS + skip, #records)
  end

  it("for different states has one legal order", function()
    local wanted = { "TAKEN", "HELD", "DROPPED", "TAKEN", "DROPPED" }
    for round = 1, 10 do
      local id = "d" .. round
      create(id)
      local by_status, records, job = contest(id, function(worker) return { to = wanted[worker] } end)
      assert_all_recorded(by_status, records, 1)
      local state, version = "OPEN", 1
      for i = 2, #records do
        assert.equal(state, records[i].from_state)
        if records[i].success then state, version = records[i].to_state, version + 1 end
      end
      assert.equal(state, job.state)
      assert.equal(version, job.version)
      assert.equal(version - 1, #by_status[200])
    end
  end)

  it("for the way out of a final state has no winner", function()
    create("f", "DROPPED")
    local by_status, records, job = contest("f", function() return { to = "TAKEN" } end)
    assert.equal(WORKERS, #by_status[409])
    for _, answer in ipairs(by_status[409]) do assert.same({}, http.expect(answer, 409, "invalid_transition").allowed) end
    assert_all_recorded(by_status, records, 2)
    assert.same({ "DROPPED", 2 }, { job.state, job.version })
  end)

  it("to complete is won by one who has what it takes", function()
    for round = 1, 10 do
      local id = "c" .. round
      create(id, "TAKEN")
      -- a report of worker 4 or 5 comes with the request; the others have none, and bring none
      local by_status, records, job = contest(id, function(worker)
        return { to = "DONE", data = worker > 3 and { report = "by " .. worker } or nil }
      end)
      assert_all_recorded(by_status, records, 2)
      assert.equal(1, #by_status[200])
      assert.same({ "DONE", 3 }, { job.state, job.version })
      assert.truthy(job.data.report:find "^by [45]$")
      for _, answer in ipairs(by_status[422] or {}) do
        assert.same({ "A job is done when its report is there" }, http.expect(answer, 422, "guard_rejected").messages)
      end
      for _, answer in ipairs(by_status[409] or {}) do assert.equal("DONE", answer.json.current_state) end
    end
  end)

  it("of those who may not leaves a record of each", function()
    create "p"
    local by_status, records, job = contest("p", function() return { to = "SEALED" } end)
    assert.equal(WORKERS, #by_status[403])
    assert_all_recorded(by_status, records, 1)
    local actors = {}
    for i = 2, #records do
      assert.equal("permission_denied", records[i].error_code)
      actors[records[i].actor.id] = true
    end
    for worker = 1, WORKERS do assert.is_true(actors["worker-" .. worker]) end
    assert.same({ "OPEN", 1 }, { job.state, job.version })
  end)

  it("for what does not exist leaves a record of each, in one chain", function()
    local by_status, records = contest("nowhere", function() return { to = "TAKEN" } end)
    assert.equal(WORKERS, #by_status[404])
    assert_all_recorded(by_status, records, 0)
    for i, record in ipairs(records) do
      assert.equal(i, record.sequence)
      assert.equal(i > 1 and records[i - 1].hash or ("0"):rep(64), record.previous_hash)
    end
  end)

  it("follows a sequence, whose trail says who moved what, in order", function()
    create("s", "HELD", "TAKEN")
    http.expect(statute:move("job", "s", { to = "DONE" }), 422)
    http.expect(statute:move("job", "s", { to = "DONE", data = { report = "r" }, comments = "at last", actor = { id = "ann" } }), 200)
    local trail = {}
    for _, record in ipairs(statute:history("job", "s")) do
      trail[#trail + 1] = ("%s>%s %s %d"):format(record.from_state or "", record.to_state, record.success, record.version)
    end
    assert.same({ ">OPEN true 1", "OPEN>HELD true 2", "HELD>TAKEN true 3", "TAKEN>DONE false 3", "TAKEN>DONE true 4" }, trail)
    local last = statute:history("job", "s")[5]
    assert.same({ "ann", "at last" }, { last.actor.id, last.comments })
  end)

  -- entities: few make for hard contests, many for large batches
  for _, size in ipairs { { clients = 20, entities = 10, calls = 2000 }, { clients = 20, entities = 1, calls = 1000 } } do
    it(("of %d clients on %d walks, at random, can be told as one story"):format(size.clients, size.entities), function()
      local calls = history.run { nodes = statute.nodes, clients = size.clients, calls = size.calls,
                                  next = history.walks(size.entities, "e" .. size.entities .. "-") }
      local figures = history.prove("random, " .. size.entities, statute, calls)
      assert.is_true(figures.calls >= size.calls)
      assert.equal(0, figures.unknown)
      assert.is_true(figures.done > size.calls / 5)
    end)
  end
end)
