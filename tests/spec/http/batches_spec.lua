local eventually = require "tests.support.eventually"
local http       = require "tests.support.http"
local json       = require "tests.support.json"
local server     = require "tests.support.server"

local PARCEL = [[
local function light(parcel) return parcel.weight ~= 13, "Thirteen brings bad luck" end
-- burns a few milliseconds, so that a batch takes long enough to be watched
local function slow(parcel)
  if parcel.slow then for i = 1, 300000 do local _ = i end end
  return true
end
return machine "parcel" {
  initial = "PACKED",
  states = {
    PACKED = { to = { SENT = { name = "send", permit = "parcel.send", guard = { light, slow } } } },
    SENT   = { to = { LOST = { guard = slow } } },
    LOST   = { final = true },
  },
}
]]

-- Who is notified takes a neighbour along.
local BILL = [[
local function neighbour(bill)
  if bill.takes then return { follow = { { machine = "bill", id = bill.takes, to = "PAID" } } } end
end
return machine "bill" {
  initial = "OPEN",
  states = { OPEN = { to = { EXPIRED = { effect = neighbour }, PAID = true } }, EXPIRED = { final = true }, PAID = { final = true } },
}
]]

local POST = { id = "post", permissions = { "parcel.send" } }

describe("a batch", function()
  local statute, prefix = nil, 0

  -- the wall clock of a decision runs while others have the processor, too: give it time
  setup(function() statute = server.start { policies = { ["parcel.lua"] = PARCEL, ["bill.lua"] = BILL }, arguments = { "--policy-time", "5s" } } end)
  teardown(function() statute:stop() end)

  -- Creates `count` parcels with a prefix of their own; data(i) gives the data. Returns the ids.
  local function parcels(count, data)
    prefix = prefix + 1
    local ids, requests = {}, {}
    for i = 1, count do
      ids[i] = ("b%d-%04d"):format(prefix, i)
      requests[i] = { method = "POST", path = "/v1/entities/parcel", body = { id = ids[i], data = data and data(i) or {} } }
    end
    for _, answer in ipairs(http.parallel(statute.port, requests, 8)) do assert(answer.status == 201, answer.body) end
    return ids
  end

  local function batch(request)
    request.machine, request.actor = request.machine or "parcel", request.actor or POST
    return statute.client:post("/v1/batches", request)
  end

  local function state_of(id) return statute:read("parcel", id).json.state end

  local function states(ids)
    local count = {}
    for _, id in ipairs(ids) do
      local state = state_of(id)
      count[state] = (count[state] or 0) + 1
    end
    return count
  end

  describe("with an idempotency key", function()
    local function keyed(name, request)
      request.machine, request.actor, request.to = "parcel", POST, "SENT"
      return statute.client:post("/v1/batches", request, { ["Idempotency-Key"] = name })
    end

    it("is done once, and gives its answer again", function()
      local ids = parcels(3)
      local first = keyed("batch", { ids = ids })
      assert.equal(3, http.expect(first, 200).succeeded)
      assert.is_nil(first.headers["idempotency-replayed"])
      local again = keyed("batch", { ids = ids })
      assert.equal(first.body, again.body)
      local text = (' { "to" : "SENT", "ids": %s, "actor":%s, "machine":"parcel" }\n'):format(json.encode(ids), json.encode(POST))
      assert.equal(first.body, statute.client:post("/v1/batches", text, { ["Idempotency-Key"] = "batch" }).body)
      assert.equal("true", again.headers["idempotency-replayed"])
      assert.equal(2, #statute:history("parcel", ids[1]))
      http.expect(keyed("batch", { ids = { ids[1] } }), 422, "idempotency_key_reused")
      http.expect(keyed(("k"):rep(300), { ids = ids }), 400, "bad_request")
    end)

    it("that nobody waits for gives its first answer again", function()
      local ids = parcels(2)
      local first = keyed("no wait", { ids = ids, wait = false })
      local id = http.expect(first, 202).id
      assert.equal("/v1/batches/" .. id, first.headers.location)
      eventually(function() return statute.client:get("/v1/batches/" .. id).json.status == "completed" end)
      local again = keyed("no wait", { ids = ids, wait = false })
      http.expect(again, 202)
      assert.equal(first.body, again.body)
      assert.equal(first.headers.location, again.headers.location)
      assert.equal("true", again.headers["idempotency-replayed"])
      assert.equal(2, #statute:history("parcel", ids[1]))
    end)

    it("is in flight while it runs", function()
      local request = { ids = parcels(300, function() return { slow = true } end), machine = "parcel", actor = POST, to = "SENT" }
      local requests = {}
      for i = 1, 2 do
        requests[i] = { method = "POST", path = "/v1/batches", body = request, headers = { ["Idempotency-Key"] = "flying" } }
      end
      local codes = {}
      for _, answer in ipairs(http.parallel(statute.port, requests, 2)) do codes[answer.json.code or "done"] = answer end
      assert.equal(300, http.expect(codes.done, 200).succeeded)
      http.expect(codes.request_in_flight, 409, "request_in_flight")
      assert.equal("1", codes.request_in_flight.headers["retry-after"])
      assert.equal(2, #statute:history("parcel", request.ids[300]))
    end)

    it("means nothing to a dry run", function()
      local ids = parcels(1)
      assert.is_true(http.expect(keyed("dry", { ids = ids, dry_run = true }), 200).dry_run)
      assert.equal(1, http.expect(keyed("dry", { ids = ids }), 200).succeeded)
    end)
  end)

  for _, mode in ipairs { "atomic", "sequential", "parallel" } do
    it("moves all its members, in mode " .. mode, function()
      local ids = parcels(20)
      local done = http.expect(batch { ids = ids, to = "SENT", mode = mode, comments = "Off you go", metadata = { truck = 7 } }, 200)
      assert.is_string(done.id)
      assert.equal("completed", done.status)
      assert.equal(20, done.total)
      assert.equal(20, done.succeeded)
      assert.equal(0, done.failed)
      assert.equal(1, done.success_rate)
      assert.is_number(done.execution_ms)
      assert.same({}, done.errors)
      assert.same({ SENT = 20 }, states(ids))
      local record = statute:history("parcel", ids[7])[2]
      assert.equal("batch", record.reason)
      assert.equal("Off you go", record.comments)
      assert.equal("post", record.actor.id)
      assert.same({ truck = 7 }, record.metadata)
    end)
  end

  for _, mode in ipairs { "sequential", "parallel" } do
    it("goes on after a member that fails, in mode " .. mode, function()
      local ids = parcels(10, function(i) return { weight = i == 4 and 13 or i } end)
      ids[11] = "never-packed"
      local done = http.expect(batch { ids = ids, to = "SENT", mode = mode }, 200)
      assert.equal(11, done.total)
      assert.equal(9, done.succeeded)
      assert.equal(2, done.failed)
      assert.is_true(math.abs(done.success_rate - 9 / 11) < 0.001 or math.abs(done.success_rate - 900 / 11) < 0.1)
      table.sort(done.errors, function(a, b) return a.id < b.id end)
      assert.equal(2, #done.errors)
      assert.equal(ids[4], done.errors[1].id)
      assert.equal("guard_rejected", done.errors[1].code)
      assert.truthy(done.errors[1].message:find("Thirteen", 1, true))
      assert.equal("never-packed", done.errors[2].id)
      assert.equal("entity_not_found", done.errors[2].code)
      ids[11] = nil
      assert.same({ SENT = 9, PACKED = 1 }, states(ids))
    end)
  end

  it("that is atomic moves all or none, and records all as refused", function()
    local ids = parcels(10, function(i) return { weight = i == 4 and 13 or i } end)
    local done = http.expect(batch { ids = ids, to = "SENT", mode = "atomic" }, 200)
    assert.equal("failed", done.status)
    assert.equal(0, done.succeeded)
    assert.equal(10, done.failed)
    assert.same({ PACKED = 10 }, states(ids))
    local codes = {}
    for _, item in ipairs(done.errors) do codes[item.code] = (codes[item.code] or 0) + 1 end
    assert.equal(1, codes.guard_rejected)
    assert.equal(9, codes.batch_aborted)
    assert.equal("guard_rejected", statute:history("parcel", ids[4])[2].error_code)
    assert.equal("batch_aborted", statute:history("parcel", ids[1])[2].error_code)
  end)

  it("asks for permissions, member by member", function()
    local ids = parcels(3)
    local done = http.expect(batch { ids = ids, to = "SENT", mode = "sequential", actor = { id = "thief" } }, 200)
    assert.equal(3, done.failed)
    assert.equal("permission_denied", done.errors[1].code)
    assert.same({ PACKED = 3 }, states(ids))
  end)

  it("takes its members from a question", function()
    local ids = parcels(12, function(i) return { kind = i % 3 == 0 and "letter" or "box", lot = "q1" } end)
    local done = http.expect(batch { where = { state = "PACKED", data = { kind = "letter", lot = "q1" } }, to = "SENT", mode = "sequential" }, 200)
    assert.equal(4, done.total)
    assert.equal(4, done.succeeded)
    assert.equal("SENT", state_of(ids[3]))
    assert.equal("PACKED", state_of(ids[1]))
  end)

  it("asks for an age, too", function()
    parcels(3, function() return { lot = "q2" } end)
    assert.equal(0, http.expect(batch { where = { data = { lot = "q2" }, older_than = "30d" }, to = "SENT", mode = "sequential" }, 200).total)
    assert.equal(3, http.expect(batch { where = { data = { lot = "q2" }, older_than = "0s" }, to = "SENT", mode = "sequential" }, 200).total)
  end)

  for _, mode in ipairs { "sequential", "parallel", "atomic" } do
    it("skips who has left its question when it is their turn, in mode " .. mode, function()
      local lot = "lot " .. mode
      for i = 1, 5 do statute:create("bill", mode .. i, { lot = lot, takes = i == 2 and mode .. "4" or nil }) end
      local done = http.expect(batch { machine = "bill", where = { state = "OPEN", data = { lot = lot } }, to = "EXPIRED", mode = mode }, 200)
      assert.same({ 5, 4, 0, 1, 1 }, { done.total, done.succeeded, done.failed, done.skipped, done.success_rate })
      assert.equal("completed", done.status)
      assert.same({}, done.errors)
      assert.equal("PAID", statute:read("bill", mode .. "4").json.state)
      assert.equal(2, #statute:history("bill", mode .. "4"))
      assert.equal(1, http.expect(statute.client:get("/v1/batches/" .. done.id), 200).skipped)
      for _, item in ipairs(http.expect(statute.client:get("/v1/batches"), 200).items) do
        if item.id == done.id then assert.equal(1, item.skipped) end
      end
    end)
  end

  it("named by their ids skips nobody", function()
    local ids = parcels(2)
    http.expect(statute:move("parcel", ids[1], { to = "SENT", actor = POST }), 200)
    local done = http.expect(batch { ids = ids, to = "SENT", mode = "sequential" }, 200)
    assert.same({ 2, 1, 1, 0 }, { done.total, done.succeeded, done.failed, done.skipped })
  end)

  it("that runs dry changes nothing", function()
    local ids = parcels(5, function(i) return { weight = i == 2 and 13 or i } end)
    for _, mode in ipairs { "sequential", "parallel", "atomic" } do
      local done = http.expect(batch { ids = ids, to = "SENT", mode = mode, dry_run = true }, 200)
      assert.equal(5, done.total)
      assert.equal(mode == "atomic" and 5 or 1, done.failed)
      assert.same({ PACKED = 5 }, states(ids))
      assert.equal(1, #statute:history("parcel", ids[1]))
    end
  end)

  it("moves a member named twice once", function()
    local ids = parcels(2)
    local done = http.expect(batch { ids = { ids[1], ids[2], ids[1] }, to = "SENT", mode = "sequential" }, 200)
    assert.equal(0, done.failed)
    assert.equal(2, statute:read("parcel", ids[1]).json.version)
  end)

  it("of nothing is done at once", function()
    local done = http.expect(batch { ids = http.array(), to = "SENT", mode = "sequential" }, 200)
    assert.equal(0, done.total)
    assert.equal("completed", done.status)
  end)

  it("need not be waited for", function()
    local ids = parcels(20)
    local started = http.expect(batch { ids = ids, to = "SENT", mode = "sequential", wait = false }, 202)
    assert.equal(20, started.total)
    local done = eventually(function()
      local now = http.expect(statute.client:get("/v1/batches/" .. started.id), 200)
      return now.status == "completed" and now
    end, 10, "the batch is completed")
    assert.equal(20, done.succeeded)
    assert.same({ SENT = 20 }, states(ids))
  end)

  describe("that takes long", function()
    local function start(count)
      local ids = parcels(count, function() return { slow = true } end)
      local started = http.expect(batch { ids = ids, to = "SENT", mode = "sequential", wait = false }, 202)
      eventually(function() return http.expect(statute.client:get("/v1/batches/" .. started.id), 200).succeeded > 0 end, 10, "it began")
      return started.id, ids
    end

    local function order(id, what) return statute.client:post(("/v1/batches/%s/%s"):format(id, what)) end
    local function look(id) return http.expect(statute.client:get("/v1/batches/" .. id), 200) end

    it("can be paused and resumed, and moves each member once", function()
      local id, ids = start(600)
      local paused = http.expect(order(id, "pause"), 200)
      assert.equal("paused", paused.status)
      assert.is_true(paused.succeeded < 600)
      for _ = 1, 3 do -- nothing happens after the answer
        assert.equal(paused.succeeded, states(ids).SENT or 0)
        assert.equal(paused.succeeded, look(id).succeeded)
      end
      http.expect(order(id, "resume"), 200)
      eventually(function() return look(id).status == "completed" end, 30, "it is completed")
      assert.equal(600, look(id).succeeded, json.encode(look(id).errors))
      for _, member in ipairs(ids) do
        local parcel = statute:read("parcel", member).json
        assert.equal("SENT", parcel.state)
        assert.equal(2, parcel.version)
      end
    end)

    for _, mode in ipairs { "sequential", "parallel" } do
      it("skips who was changed while it was paused, in mode " .. mode, function()
        local lot = "paused " .. mode
        local ids = parcels(300, function() return { slow = true, lot = lot } end)
        local started = http.expect(batch { where = { state = "PACKED", data = { lot = lot }, older_than = "1ms" }, to = "SENT", mode = mode, wait = false }, 202)
        assert.equal("paused", http.expect(order(started.id, "pause"), 200).status)
        http.expect(statute.client:patch("/v1/entities/parcel/" .. ids[300], { data = { lot = "another" } }), 200)
        http.expect(statute.client:patch("/v1/entities/parcel/" .. ids[299], { data = { touched = true } }), 200)
        http.expect(statute:move("parcel", ids[298], { to = "SENT", actor = POST }), 200)
        http.expect(order(started.id, "resume"), 200)
        eventually(function() return look(started.id).status == "completed" end, 30, "it is completed")
        local done = look(started.id)
        assert.same({ 300, 297, 0, 3 }, { done.total, done.succeeded, done.failed, done.skipped }, json.encode(done.errors))
        assert.equal("PACKED", state_of(ids[300]))
        assert.equal("PACKED", state_of(ids[299]))
        assert.same({ "PACKED", lot }, { done.request.where.state, done.request.where.data.lot })
      end)
    end

    it("can be cancelled, and what was done stays done", function()
      local id, ids = start(600)
      local cancelled = http.expect(order(id, "cancel"), 200)
      assert.equal("cancelled", cancelled.status)
      assert.is_true(cancelled.succeeded < 600)
      for _ = 1, 3 do -- nothing happens after the answer
        assert.equal(cancelled.succeeded, states(ids).SENT or 0)
        assert.equal("cancelled", look(id).status)
      end
      http.expect(order(id, "resume"), 409)
      http.expect(order(id, "pause"), 409)
    end)

    for _, mode in ipairs { "atomic", "sequential", "parallel" } do
      it("and is " .. mode .. ": what the answer to a cancellation says stays true", function()
        for _ = 1, 5 do
          local ids = parcels(300)
          local id = http.expect(batch { ids = ids, to = "SENT", mode = mode, wait = false }, 202).id
          local answer = order(id, "cancel")
          if answer.status == 200 then
            assert.equal(answer.json.succeeded, states(ids).SENT or 0)
            assert.equal("cancelled", look(id).status)
            assert.equal(answer.json.succeeded, look(id).succeeded)
          else
            http.expect(answer, 409)
            assert.equal("completed", look(id).status)
          end
        end
      end)
    end

    it("does not keep others waiting", function()
      local id = start(600)
      local other = parcels(1)[1]
      http.expect(statute:move("parcel", other, { to = "SENT", actor = POST }), 200)
      assert.equal("running", look(id).status)
      http.expect(order(id, "cancel"), 200)
    end)
  end)

  it("that nobody started is 404", function()
    for _, id in ipairs { "nonsense", "00000000-0000-7000-8000-000000000000" } do
      http.expect(statute.client:get("/v1/batches/" .. id), 404, "not_found")
      http.expect(statute.client:post("/v1/batches/" .. id .. "/pause"), 404, "not_found")
    end
  end)

  it("of an unknown machine is 404", function()
    http.expect(batch { machine = "crate", ids = { "x" }, to = "SENT" }, 404, "unknown_machine")
  end)

  for name, body in pairs {
    ["no members"] = '{"machine":"parcel","to":"SENT"}', ["ids and a question"] = '{"machine":"parcel","ids":["a"],"where":{},"to":"SENT"}',
    ["no target"] = '{"machine":"parcel","ids":["a"]}', ["no machine"] = '{"ids":["a"],"to":"SENT"}',
    ["an unknown mode"] = '{"machine":"parcel","ids":["a"],"to":"SENT","mode":"wild"}',
    ["ids that are no strings"] = '{"machine":"parcel","ids":[1],"to":"SENT"}', ["an age that is none"] = '{"machine":"parcel","where":{"older_than":"old"},"to":"SENT"}',
    ["no workers"] = '{"machine":"parcel","ids":["a"],"to":"SENT","workers":0}', ["an unknown key"] = '{"machine":"parcel","ids":["a"],"to":"SENT","speed":9}',
    ["an unknown question"] = '{"machine":"parcel","where":{"colour":"red"},"to":"SENT"}',
  } do
    it("is refused with " .. name, function()
      http.expect(statute.client:request("POST", "/v1/batches", body), 400, "bad_request")
    end)
  end
end)
