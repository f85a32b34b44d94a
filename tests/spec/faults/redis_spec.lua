-- The lock that fails: it may cost patience and 503s, but never a transition, and never one too many.
local history  = require "tests.support.history"
local http     = require "tests.support.http"
local postgres = require "tests.support.postgres"
local redis    = require "tests.support.redis"
local server   = require "tests.support.server"

local WALK = history.WALK:gsub("initial =", 'lock = { timeout = "300ms", wait = "1s" }, initial =')

describe("the lock in Redis", function()
  local database, lock, statute

  setup(function()
    database = postgres.start()
    lock = redis.start()
  end)
  teardown(function()
    lock:stop()
    database:stop()
  end)
  after_each(function() statute:stop(true) end)

  local rounds = 0
  local function prove(name, failure, meanwhile)
    rounds = rounds + 1
    statute = server.start { policies = { ["walk.lua"] = WALK }, store = database.url, lock = lock.url, nodes = 2,
                             arguments = { "--lock-failure", failure } }
    local calls = history.run { nodes = statute.nodes, clients = 16, next = history.walks(10, ("r%d-"):format(rounds)), meanwhile = meanwhile }
    local figures = history.prove(name, statute, calls)
    assert.is_true(figures.done > 20)
    return figures, calls
  end

  local function codes(calls)
    local counts = {}
    for _, call in ipairs(calls) do
      if call.code then counts[call.code] = (counts[call.code] or 0) + 1 end
    end
    return counts
  end

  local function killed(pause)
    for _ = 1, 2 do
      pause(0.3)
      lock:kill()
      pause(0.4)
      lock:launch()
    end
  end

  it("may be killed: without it whoever asks is refused", function()
    local _, calls = prove("Redis killed, refuse", "refuse", killed)
    assert.is_true((codes(calls).lock_unavailable or 0) > 0)
    http.expect(statute.client:get("/readyz"), 200)
  end)

  it("may be killed: with the row lock nobody notices", function()
    local _, calls = prove("Redis killed, row-lock", "row-lock", killed)
    assert.is_nil(codes(calls).lock_unavailable)
  end)

  it("may stand still", function()
    prove("Redis paused", "refuse", function(pause)
      for _ = 1, 2 do
        pause(0.2)
        lock:pause()
        pause(0.7)
        lock:resume()
      end
    end)
  end)

  it("may forget all that it held, all the time", function()
    prove("Redis flushed", "refuse", function(pause)
      for _ = 1, 40 do
        pause(0.03)
        lock:say "FLUSHALL"
      end
    end)
  end)

  it("may run out while its holder stands still", function()
    prove("holder stopped", "refuse", function(pause)
      for _ = 1, 3 do
        pause(0.2)
        statute.nodes[2]:signal "STOP"
        pause(0.7)
        statute.nodes[2]:signal "CONT"
      end
    end)
  end)
end)
