-- Nodes that die, stand still or are cut off while others go on.
local history   = require "tests.support.history"
local namespace = require "tests.support.namespace"
local pool      = require "tests.support.pool"
local postgres  = require "tests.support.postgres"
local server    = require "tests.support.server"

describe("of three nodes", function()
  local database, statute, cable, island

  after_each(function()
    if statute then statute:stop() end
    if cable then cable:stop() end
    if island then island:remove() end
    if database then database:stop() end
    database, statute, cable, island = nil, nil, nil, nil
  end)

  local function start(policy, nodes, key)
    database = database or postgres.start()
    statute = server.start { policies = { ["walk.lua"] = policy }, store = database.url, nodes = nodes, auth = not key and "none",
                             headers = key and { Authorization = "Bearer " .. key } }
  end

  local function add_third(options)
    options.policies, options.auth, options.headers = statute.policy_directory, statute.options.auth, statute.options.headers
    local third = server.start(options)
    statute.others[2], statute.nodes[3] = third, third
    return third
  end

  local function prove(name, meanwhile)
    local calls = history.run { nodes = statute.nodes, clients = 18, next = history.walks(10), meanwhile = meanwhile, patience = 40 }
    local figures = history.prove(name, statute, calls)
    local status, out, err = server.statute { "audit", "verify", "--store", database.url }
    assert.equal(0, status, out .. err)
    assert.is_true(figures.done > 20)
    return figures
  end

  it("one may be killed with work in flight, again and again", function()
    start(history.WALK, 3)
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
    start((history.WALK:gsub("initial =", 'lock = { timeout = "200ms", wait = "1s" }, initial =')), 3)
    prove("a node stopped", function(pause)
      for _ = 1, 3 do
        pause(0.3)
        statute.nodes[2]:signal "STOP"
        pause(0.6)
        statute.nodes[2]:signal "CONT"
      end
    end)
  end)

  it("one may be cut off from everybody, in a network namespace of its own", function()
    island = namespace.make()
    database = postgres.start()
    -- where namespaces may not be made, the cable itself stands still
    if not island then print "no network namespaces here: the third node is cut off from the database only" end
    local _, said = server.statute { "token", "create", "--store", database.url, "--name", "walker", "--scopes", "read,transition,act_as" }
    start(history.WALK, 2, said:match "st_%w+_%w+")
    cable = pool.start(database.url, island and island.outside)
    add_third { store = cable.url, host = island and island.inside, within = island and island.within }
    local figures = prove("a node on an island", function(pause)
      for _ = 1, 3 do
        pause(0.4)
        if island then island:cut() else cable:pause() end
        pause(1)
        if island then island:mend() else cable:resume() end
      end
    end)
    assert.is_true(figures.done > 20)
  end)

  it("one may be cut off from the database, and come back", function()
    start(history.WALK, 2)
    cable = pool.start(database.url)
    add_third { store = cable.url }
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
