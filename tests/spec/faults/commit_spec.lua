-- A COMMIT whose answer does not come may have happened. The node finds out, and does it again only if it has not.
local cutter   = require "tests.support.cutter"
local history  = require "tests.support.history"
local postgres = require "tests.support.postgres"
local server   = require "tests.support.server"

describe("a connection that is cut when COMMIT was sent", function()
  local database, cable, statute

  after_each(function()
    if statute then statute:stop() end
    if cable then cable:stop() end
    if database then database:stop() end
  end)

  it("loses nothing, and does nothing twice", function()
    database = postgres.start()
    cable = cutter.start(database.url, 9)
    statute = server.start { policies = { ["walk.lua"] = history.WALK }, store = cable.url, nodes = 2 }
    local calls = history.run { nodes = statute.nodes, clients = 16, next = history.walks(10), calls = 3000, patience = 40 }
    local cuts = cable:cuts()
    assert.is_true(cuts > 10, cuts .. " cuts")
    local reader = server.start { policies = statute.policy_directory, store = database.url }
    -- the proof is read at the source
    local figures = history.prove(("COMMIT cut off %d times"):format(cuts), reader, calls)
    reader:stop()
    assert.is_true(figures.done > 500)
    local status, out, err = server.statute { "audit", "verify", "--store", database.url }
    assert.equal(0, status, out .. err)
  end)
end)
