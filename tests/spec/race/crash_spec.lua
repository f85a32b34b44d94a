-- kill -9 under load: nothing that was answered is missing, nothing is done twice.
local eventually = require "tests.support.eventually"
local http       = require "tests.support.http"
local policies   = require "tests.support.policies"
local server     = require "tests.support.server"

local TAP = [[
local function slow(tap)
  if tap.slow then for i = 1, 200000 do local _ = i end end
  return true
end
return machine "tap" {
  initial = "SHUT",
  states = { SHUT = { to = { OPEN = { guard = slow } } }, OPEN = { to = { SHUT = true } } },
}
]]

describe("a server that is killed", function()
  local statute

  -- the wall clock of a decision runs while others have the processor, too: give it time
  before_each(function() statute = server.start { policies = { ["tap.lua"] = TAP }, arguments = { "--policy-time", "5s" } } end)
  after_each(function() if statute.pid then statute:stop() end end)

  local function verify()
    local status, out, err = server.statute { "audit", "verify", "--store", statute.store }
    assert.equal(0, status, out .. err)
    assert.truthy(out:find("0 problems", 1, true), out .. err)
  end

  it("under load has kept all that it answered, and does again only what it did not do", function()
    local turn, state = 0, {}
    for i = 1, 20 do statute:create("tap", "t" .. i, {}) end
    local answered, unknown = {}, {}

    -- Each client has taps of its own, and one key a request.
    local function load(limit)
      local answers = http.parallel(statute.port, function(client)
        turn = turn + 1
        if turn > limit then return nil end
        local tap = ("t%d"):format(client)
        state[tap] = state[tap] == "OPEN" and "SHUT" or "OPEN"
        return { method = "POST", path = "/v1/entities/tap/" .. tap .. "/transitions",
                 body = { to = state[tap], metadata = { turn = turn } }, headers = { ["Idempotency-Key"] = "turn-" .. turn }, tap = tap }
      end, 20, function(_, count)
        if count == 700 then
          statute:kill9()
          return true
        end
      end)
      for _, answer in ipairs(answers) do
        if answer.status == 200 then answered[#answered + 1] = answer else unknown[#unknown + 1] = answer end
      end
    end

    load(100000)
    assert.is_true(#answered >= 600)
    assert.is_true(#unknown > 0)
    statute:restart()

    -- what had no answer is asked again, with the same key
    for _, answer in ipairs(unknown) do
      local request = answer.request
      local again = statute.client:request(request.method, request.path, request.body, request.headers)
      http.expect(again, 200)
      again.request = request
      answered[#answered + 1] = again
    end

    local done = {}
    for i = 1, 20 do
      for _, record in ipairs(statute:history("tap", "t" .. i)) do
        if record.metadata and record.metadata.turn then
          assert.is_true(record.success)
          assert.is_nil(done[record.metadata.turn], "done twice")
          done[record.metadata.turn] = record
        end
      end
    end
    local count = 0
    for _ in pairs(done) do count = count + 1 end
    assert.equal(#answered, count)
    for _, answer in ipairs(answered) do
      local record = done[answer.request.body.metadata.turn]
      assert.is_not_nil(record, "an answered request is missing")
      assert.equal(answer.json.audit_id, record.uuid)
    end
    for i = 1, 20 do
      local tap = statute:read("tap", "t" .. i).json
      assert.equal(#statute:history("tap", "t" .. i), tap.version)
    end
    statute:stop(true)
    verify()
    policies.remove(statute.directory)
  end)

  it("again and again still has a chain that verifies", function()
    statute:create("tap", "t", {})
    local versions = 1
    for _ = 1, 3 do
      http.parallel(statute.port, function(client, answer)
        if answer and answer.json and answer.json.version then versions = math.max(versions, answer.json.version) end
        return { method = "POST", path = "/v1/entities/tap/t/transitions", body = { to = client % 2 == 0 and "OPEN" or "SHUT" } }
      end, 8, function(_, count)
        if count == 200 then
          statute:kill9()
          return true
        end
      end)
      statute:restart()
      assert.is_true(statute:read("tap", "t").json.version >= versions)
    end
    statute:stop(true)
    verify()
    policies.remove(statute.directory)
  end)

  it("in the middle of a batch goes on with it, and moves each member once", function()
    local ids, requests = {}, {}
    for i = 1, 800 do
      ids[i] = ("b%04d"):format(i)
      requests[i] = { method = "POST", path = "/v1/entities/tap", body = { id = ids[i], data = { slow = true } } }
    end
    http.parallel(statute.port, requests, 8)
    local started = http.expect(statute.client:post("/v1/batches", { machine = "tap", ids = ids, to = "OPEN", mode = "sequential",
                                                                     wait = false, actor = { id = "night" } }), 202)
    eventually(function() return statute.client:get("/v1/batches/" .. started.id).json.succeeded > 0 end, 10)
    statute:kill9()
    statute:restart()
    local done = eventually(function()
      local now = http.expect(statute.client:get("/v1/batches/" .. started.id), 200)
      return now.status == "completed" and now
    end, 60, "the batch is completed")
    assert.equal(800, done.succeeded)
    assert.equal(0, done.failed)
    for _, id in ipairs(ids) do
      local tap = statute:read("tap", id).json
      assert.equal("OPEN", tap.state)
      assert.equal(2, tap.version)
    end
    statute:stop(true)
    verify()
    policies.remove(statute.directory)
  end)

  it("lets its requests in flight finish when it is asked nicely", function()
    statute:create("tap", "t", { slow = true })
    local answers = http.parallel(statute.port, function(_, answer)
      if answer then return nil end
      return { method = "POST", path = "/v1/entities/tap/t/transitions", body = { to = "OPEN" } }
    end, 5, function(_, count) if count == 1 then statute:signal "TERM" end end)
    for _, answer in ipairs(answers) do assert.is_true(answer.status == 200 or answer.status == 409, tostring(answer.error)) end
    local kind, code = statute:wait()
    assert.equal("exit", kind)
    assert.equal(0, code)
    policies.remove(statute.directory)
  end)
end)
