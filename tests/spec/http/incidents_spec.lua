local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local CSV = os.getenv("STATUTE_INCIDENTS") or "../shared/data/incidents.csv"

-- The same form as the public log, invented: every state, an incident that is reopened, one that begins
-- elsewhere, quotes, unknown values, a row that changes nothing.
local SMALL = [[
number,incident_state,active,reassignment_count,reopen_count,sys_mod_count,opened_at,category,vendor
INC1,New,TRUE,0,0,0,29-02-2016 01:16,Category 1,?
INC1,Active,TRUE,1,0,1,29-02-2016 01:16,Category 1,?
INC2,Active,TRUE,0,0,0,01-03-2016 04:40,"Network, ""outer""",?
INC1,Awaiting User Info,TRUE,1,0,2,29-02-2016 01:16,Category 2,?
INC1,Awaiting User Info,TRUE,1,0,2,29-02-2016 01:16,Category 2,?
INC2,Awaiting Problem,TRUE,0,0,1,01-03-2016 04:40,?,?
INC1,Awaiting Vendor,TRUE,1,0,3,29-02-2016 01:16,Category 2,Vendor 1
INC1,Active,TRUE,1,0,4,29-02-2016 01:16,Category 2,?
INC1,Resolved,TRUE,1,0,5,29-02-2016 01:16,Category 2,?
INC1,Active,TRUE,1,1,5,29-02-2016 01:16,Category 2,?
INC1,Resolved,TRUE,1,1,6,29-02-2016 01:16,Category 2,?
INC1,Closed,FALSE,1,1,7,29-02-2016 01:16,Category 2,?
]]

local function play(statute, csv)
  return server.run { "lua5.4", "examples/incidents/play.lua", csv,
                      "--url", "http://127.0.0.1:" .. statute.port, "--clients", "8" }
end

local function plays(csv, events, incidents)
  local statute = server.start()
  local status, out, err = play(statute, csv)
  assert.equal(0, status, err .. out)
  assert.truthy(out:find(events .. " events", 1, true), out)
  assert.truthy(out:find(incidents .. " incidents", 1, true), out)
  assert.truthy(out:find("0 differences", 1, true), out)
  statute:stop()
end

describe("an incident log", function()
  it("is played event by event, and every incident ends where the log ends", function()
    local path = os.tmpname()
    policies.write_file(path, SMALL)
    plays(path, 12, 2)
    os.remove(path)
  end)

  it("that was played before is refused, and changes nothing", function()
    local path, statute = os.tmpname(), server.start()
    policies.write_file(path, SMALL)
    play(statute, path)
    local before = statute:read("incident", "INC1").json
    local status, out = play(statute, path)
    assert.equal(1, status)
    assert.truthy(out:find("12 refused, 0 differences", 1, true), out)
    assert.same(before, statute:read("incident", "INC1").json)
    os.remove(path)
    statute:stop()
  end)

  if policies.read_file(CSV) then -- the public log is no part of this project
    it("of 5,998 real events is played, and every incident ends where the log ends", function() plays(CSV, 5998, 890) end)
  end
end)
