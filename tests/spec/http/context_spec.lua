-- ctx:find and ctx:count read inside the transaction: what the same unit of work did before is seen.
local http   = require "tests.support.http"
local server = require "tests.support.server"

local ROOM = [[
local function has_place(seat, ctx)
  local taken = ctx:count { machine = "seat", state = "TAKEN", where = { room = seat.room } }
  return taken < 3, ("The room is full: %d seats are taken"):format(taken)
end
local function room_open(seat, ctx)
  local room = ctx:find("room", seat.room)
  return room ~= nil and room.state == "OPEN" and room.data.lit == true, "The room is not open"
end
return {
  machine "seat" { initial = "FREE", states = { FREE = { to = { TAKEN = { guard = { has_place, room_open } } } }, TAKEN = { to = { FREE = true } } } },
  machine "room" { initial = "OPEN", states = { OPEN = { to = { CLOSED = true } }, CLOSED = { to = { OPEN = true } } } },
}
]]

describe("a policy that reads", function()
  local statute, rooms = nil, 0

  setup(function() statute = server.start { policies = { ["room.lua"] = ROOM } } end)
  teardown(function() statute:stop() end)

  -- A room with seats; returns its id and theirs.
  local function room(seats, data)
    rooms = rooms + 1
    local id, ids = "room-" .. rooms, {}
    statute:create("room", id, data or { lit = true })
    for i = 1, seats do
      ids[i] = ("%s-%02d"):format(id, i)
      statute:create("seat", ids[i], { room = id })
    end
    return id, ids
  end

  it("counts what there is", function()
    local _, seats = room(4)
    for i = 1, 3 do http.expect(statute:move("seat", seats[i], "TAKEN"), 200) end
    local problem = http.expect(statute:move("seat", seats[4], "TAKEN"), 422, "guard_rejected")
    assert.same({ "The room is full: 3 seats are taken" }, problem.messages)
    http.expect(statute:move("seat", seats[1], "FREE"), 200)
    http.expect(statute:move("seat", seats[4], "TAKEN"), 200)
  end)

  it("finds others, their state and their data", function()
    local id, seats = room(2)
    http.expect(statute:move("room", id, "CLOSED"), 200)
    assert.same({ "The room is not open" }, http.expect(statute:move("seat", seats[1], "TAKEN"), 422, "guard_rejected").messages)
    http.expect(statute:move("room", id, { to = "OPEN", data = { lit = false } }), 200)
    http.expect(statute:move("seat", seats[1], "TAKEN"), 422, "guard_rejected")
    http.expect(statute.client:patch("/v1/entities/room/" .. id, { data = { lit = true } }), 200)
    http.expect(statute:move("seat", seats[1], "TAKEN"), 200)
  end)

  for _, mode in ipairs { "sequential", "parallel" } do
    it("counts what the same batch did before, in mode " .. mode, function()
      local _, seats = room(8)
      local done = http.expect(statute.client:post("/v1/batches", { machine = "seat", ids = seats, to = "TAKEN", mode = mode }), 200)
      assert.equal(3, done.succeeded)
      assert.equal(5, done.failed)
    end)
  end

  it("makes an atomic batch fail when its own members are too many", function()
    local _, seats = room(4)
    local done = http.expect(statute.client:post("/v1/batches", { machine = "seat", ids = seats, to = "TAKEN", mode = "atomic" }), 200)
    assert.equal(0, done.succeeded)
    seats[4] = nil
    done = http.expect(statute.client:post("/v1/batches", { machine = "seat", ids = seats, to = "TAKEN", mode = "atomic" }), 200)
    assert.equal(3, done.succeeded)
  end)

  it("lets exactly three in, however many come at once", function()
    for _ = 1, 10 do
      local _, seats = room(20)
      local requests, won = {}, 0
      for i, seat in ipairs(seats) do
        requests[i] = { method = "POST", path = "/v1/entities/seat/" .. seat .. "/transitions", body = { to = "TAKEN" } }
      end
      for _, answer in ipairs(http.parallel(statute.port, requests, 20)) do
        if answer.status == 200 then won = won + 1 else http.expect(answer, 422, "guard_rejected") end
      end
      assert.equal(3, won)
    end
  end)

  it("is not fooled by what looks like SQL", function()
    local odd = [[x') OR 1=1; DROP TABLE entity; --]]
    rooms = rooms + 1
    statute:create("seat", "sql", { room = odd })
    assert.same({ "The room is not open" }, http.expect(statute:move("seat", "sql", "TAKEN"), 422, "guard_rejected").messages)
    for _, where in ipairs { { data = { [odd] = 1 } }, { data = { room = odd } }, { data = { ["a.b'c\"d"] = odd } } } do
      local done = statute.client:post("/v1/batches", { machine = "seat", where = where, to = "TAKEN", mode = "sequential", dry_run = true })
      assert.is_true(done.status == 200 or done.status == 400, done.body)
      if done.status == 200 then assert.is_true(done.json.total <= 1) end
    end
    local state = statute.client:get("/v1/entities/seat?state=" .. http.escape(odd))
    assert.same({}, http.expect(state, 200).items)
    http.expect(statute.client:get("/v1/audit?actor=" .. http.escape(odd)), 200)
    http.expect(statute:read("seat", "sql"), 200)
  end)
end)
