local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local CSV = os.getenv("STATUTE_INCIDENTS") or "../shared/data/incidents.csv"

describe("the public incident log", function()
  it("is played event by event, and every incident ends where the log ends", function()
    if not policies.read_file(CSV) then pending("there is no " .. CSV) return end
    local statute = server.start()
    local status, out, err = server.run { "lua5.4", "examples/incidents/play.lua", CSV,
                                          "--url", "http://127.0.0.1:" .. statute.port, "--clients", "8" }
    assert.equal(0, status, err .. out)
    assert.truthy(out:find("5998 events", 1, true), out)
    assert.truthy(out:find("890 incidents", 1, true), out)
    assert.truthy(out:find("0 differences", 1, true), out)
    statute:stop()
  end)
end)
