local eventually = require "tests.support.eventually"
local http       = require "tests.support.http"
local server     = require "tests.support.server"
local socket     = require "socket"

local EGG = [[
return {
  machine "egg" {
    initial = "COLD",
    states = {
      COLD    = { to = { BOILING = true } },
      BOILING = { after = { delay = "150ms", to = "HARD", comments = "Time is up" }, to = { HARD = { permit = "egg.harden" }, SAVED = true } },
      HARD    = { final = true },
      SAVED   = { final = true },
    },
  },
  machine "fuse" {
    initial = "LIT",
    states = {
      LIT   = { after = { { delay = function(data) return data.at or data.delay or "1h" end, to = "OUT" }, { delay = "2h", to = "BANG" } },
                to = { OUT = true, BANG = true, WET = true } },
      OUT   = { final = true }, BANG = { final = true },
      WET   = { after = { delay = function(data, ctx) return ctx.now + 100000 end, to = "DRY", reason = "timer" }, to = { DRY = true } },
      DRY   = {},
    },
  },
  machine "relay" {
    initial = "ONE",
    states = {
      ONE   = { after = { delay = "100ms", to = "TWO" }, to = { TWO = true } },
      TWO   = { after = { delay = "100ms", to = "THREE" }, to = { THREE = true } },
      THREE = { after = { delay = "100ms", to = "DONE" }, to = { DONE = true } },
      DONE  = { final = true },
    },
  },
  machine "stuck" {
    initial = "A",
    states = { A = { after = { delay = "100ms", to = "B" }, to = { B = { guard = function() return false, "Never" end } } }, B = {} },
  },
}
]]

describe("timers", function()
  local statute

  setup(function() statute = server.start { policies = { ["egg.lua"] = EGG } } end)
  teardown(function() statute:stop() end)

  -- The limit in seconds is of a usual build.
  local function becomes(machine, id, state, seconds)
    local started = socket.gettime()
    eventually(function() return statute:read(machine, id).json.state == state end, 5)
    local took = socket.gettime() - started
    assert.is_true(took <= seconds * server.patience, ("%s %s is %s after %g s"):format(machine, id, state, took))
  end

  local function state_of(machine, id) return statute:read(machine, id).json.state end

  it("move the entity when their time has come, by the system", function()
    statute:create("egg", "e1", {})
    http.expect(statute:move("egg", "e1", "BOILING"), 200)
    assert.equal("BOILING", state_of("egg", "e1"))
    eventually(function() return state_of("egg", "e1") == "HARD" end, 5, "the timer fires")
    local record = statute:history("egg", "e1")[3]
    assert.equal("BOILING", record.from_state)
    assert.equal("HARD", record.to_state)
    assert.equal("system_auto", record.reason)
    assert.equal("Time is up", record.comments)
    assert.is_true(record.success)
  end)

  it("fire on time, not at the next tick", function()
    for i = 1, 5 do
      statute:create("fuse", "soon" .. i, { delay = "200ms" })
      becomes("fuse", "soon" .. i, "OUT", 0.6)
    end
  end)

  it("that are armed by timers fire on time, too", function()
    for i = 1, 3 do
      statute:create("relay", "r" .. i, {})
      becomes("relay", "r" .. i, "DONE", 1)
    end
  end)

  it("fire on time when later ones are waited for already, and the other way round", function()
    statute:create("fuse", "late", { delay = "500ms" })
    statute:create("fuse", "early", { delay = "150ms" })
    becomes("fuse", "early", "OUT", 0.45)
    becomes("fuse", "late", "OUT", 0.7)
  end)

  it("fire all when hundreds are due at once", function()
    local due = math.floor((socket.gettime() + 1.5) * 1e6)
    for i = 1, 250 do statute:create("fuse", "many" .. i, { at = due }) end
    eventually(function()
      for i = 1, 250 do if state_of("fuse", "many" .. i) ~= "OUT" then return false end end
      return true
    end, 15)
    for _, i in ipairs { 1, 100, 101, 250 } do assert.equal(2, #statute:history("fuse", "many" .. i)) end
  end)

  it("do not fire early", function()
    statute:create("egg", "e2", {})
    local started = http.expect(statute:move("egg", "e2", "BOILING"), 200)
    assert.is_true(started.success)
    eventually(function() return state_of("egg", "e2") == "HARD" end, 5)
    local records = statute:history("egg", "e2")
    local function fraction(t) return tonumber(t:match(":(%d%d%.?%d*)Z$")) end
    local waited = (fraction(records[3].timestamp) - fraction(records[2].timestamp)) % 60
    assert.is_true(waited >= 0.15, waited)
  end)

  it("are cancelled by leaving the state", function()
    statute:create("egg", "e3", {})
    statute:create("egg", "e4", {})
    http.expect(statute:move("egg", "e3", "BOILING"), 200)
    http.expect(statute:move("egg", "e3", "SAVED"), 200)
    -- a timer that was armed later has fired: the cancelled one would have, too
    http.expect(statute:move("egg", "e4", "BOILING"), 200)
    becomes("egg", "e4", "HARD", 0.5)
    assert.equal("SAVED", state_of("egg", "e3"))
    assert.equal(3, #statute:history("egg", "e3"))
  end)

  it("begin with creation, too, and may be computed from the data", function()
    statute:create("fuse", "f1", { delay = "50ms" })
    eventually(function() return state_of("fuse", "f1") == "OUT" end, 5)
    statute:create("fuse", "f2", {})
    assert.equal("LIT", state_of("fuse", "f2"))
  end)

  it("may be computed as an instant", function()
    statute:create("fuse", "f3", {})
    http.expect(statute:move("fuse", "f3", "WET"), 200)
    eventually(function() return state_of("fuse", "f3") == "DRY" end, 5)
    assert.equal("timer", statute:history("fuse", "f3")[3].reason)
  end)

  it("that are refused say so in the history, and do not try for ever", function()
    statute:create("stuck", "s1", {})
    eventually(function() return #statute:history("stuck", "s1") >= 2 end, 5, "the refusal is recorded")
    local record = statute:history("stuck", "s1")[2]
    assert.is_false(record.success)
    assert.equal("guard_rejected", record.error_code)
    -- another timer's whole life passes without one more attempt
    statute:create("egg", "e5", {})
    http.expect(statute:move("egg", "e5", "BOILING"), 200)
    eventually(function() return state_of("egg", "e5") == "HARD" end, 5)
    assert.equal(2, #statute:history("stuck", "s1"))
  end)

  it("that came due while the server was down fire after it is up, once", function()
    statute:create("fuse", "f4", { delay = "400ms" })
    local due = socket.gettime() + 0.4
    statute:stop(true)
    eventually(function() return socket.gettime() > due end, 1)
    statute:restart()
    becomes("fuse", "f4", "OUT", 0.4)
    assert.equal(2, #statute:history("fuse", "f4"))
  end)
end)
