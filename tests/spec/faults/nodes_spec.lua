-- Nodes that die, stand still or are cut off while others go on.
local history  = require "tests.support.history"
local pool     = require "tests.support.pool"
local postgres = require "tests.support.postgres"
local server   = require "tests.support.server"

describe("of three nodes", function()
  local database, statute, cable

  after_each(function()
    if statute then statute:stop() end
    if cable then cable:stop() end
    database:stop()
    statute, cable = nil, nil
  end)

  -- With `cut` the third node reaches the database by a cable of its own.
  local function start(policy, cut)
    database = postgres.start()
    statute = server.start { policies = { ["walk.lua"] = policy }, store = database.url, nodes = cut and 2 or 3 }
    if cut then
      cable = pool.start(database.url)
      local third = server.start { policies = statute.policy_directory, store = cable.url }
      statute.others[2], statute.nodes[3] = third, third
    end
  end

  local function prove(name, meanwhile)
    local calls = history.run { nodes = statute.nodes, clients = 18, next = history.walks(10), meanwhile = meanwhile, patience = 40 }
    local figures = history.prove(name, statute, calls)
    local status, out, err = server.statute { "audit", "verify", "--store", database.url }
    assert.equal(0, status, out .. err)
    assert.is_true(figures.done > 100)
    return figures
  end

  it("one may be killed with work in flight, again and again", function()
    start(history.WALK)
    local figures = prove("a node killed", function(pause)
      for _ = 1, 3 do
        pause(0.3)
        statute.nodes[2]:kill9()
        pause(0.2)
        statute.nodes[2]:restart()
      end
    end)
    assert.is_true(figures.unknown > 0)
  end)

  it("one may stand still for longer than its locks last, and go on", function()
    start((history.WALK:gsub("initial =", 'lock = { timeout = "200ms", wait = "1s" }, initial =')))
    prove("a node stopped", function(pause)
      for _ = 1, 3 do
        pause(0.3)
        statute.nodes[2]:signal "STOP"
        pause(0.6)
        statute.nodes[2]:signal "CONT"
      end
    end)
  end)

  it("one may be cut off from the database, and come back", function()
    start(history.WALK, true)
    prove("a node cut off", function(pause)
      for _ = 1, 3 do
        pause(0.3)
        cable:pause()
        pause(0.8)
        cable:resume()
      end
    end)
  end)
end)
