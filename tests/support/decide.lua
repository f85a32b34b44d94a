-- busted --lua=lua5.4 --helper tests/support/decide.lua policies
-- The global `decide` of the policy specs, answered by one `statute eval --lines` process: a request a line in,
-- a decision a line out.
local json     = require "tests.support.json"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

package.path = "policies/?.lua;" .. package.path -- require "lib.name", as in the engine

local directory = os.getenv("STATUTE_POLICIES") or "policies"
local requests, decisions

local function start()
  local scratch = policies.temporary()
  local fifo = scratch .. "/decisions"
  assert(os.execute("mkfifo " .. fifo))
  requests = assert(io.popen(("exec setpriv --pdeathsig KILL %s eval --lines --policies %s >%s"):format(
    server.quote(server.program), server.quote(directory), fifo), "w"))
  requests:setvbuf("line")
  decisions = assert(io.open(fifo, "r"))
  policies.remove(scratch)
end

function decide(request) -- luacheck: globals decide
  if not requests then start() end
  requests:write(json.encode(request), "\n")
  local line = decisions:read("l")
  if not line then error("statute eval ended: see its message above", 2) end
  local decision = json.decode(line)
  local answered = decision and decision.allowed ~= nil and decision.code ~= "bad_request" and decision.code ~= "unknown_machine"
  if not answered then error("statute eval answered " .. line, 2) end
  return decision
end
