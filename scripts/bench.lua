-- bench.lua: what wrk sends in scripts/bench. Moves task entities between INPROGRESS and WORKING, round
-- robin, so that every request is a transition that succeeds; or repeats one fixed request.
-- Arguments after wrk's "--": transitions COUNT FIRST | fixed METHOD PATH BODY
local mode, count, first, turn
local fixed

function init(arguments)
  mode = arguments[1]
  if mode == "transitions" then
    count, first, turn = tonumber(arguments[2]), tonumber(arguments[3]), -1 -- wrk asks once before it sends
  else
    fixed = wrk.format(arguments[2], arguments[3], { ["Content-Type"] = "application/json" },
      arguments[4] ~= "" and arguments[4] or nil)
  end
end

local STATES = { "WORKING", "INPROGRESS" }
local HEADERS = { ["Content-Type"] = "application/json" }

function request()
  if mode ~= "transitions" then return fixed end
  local number, lap = turn % count, math.floor(turn / count)
  turn = turn + 1
  return wrk.format("POST", ("/v1/entities/task/bench-%d/transitions"):format(first + number), HEADERS,
    ('{"to":"%s","actor":{"id":"bench","permissions":["activity.start_task"]}}'):format(STATES[lap % 2 + 1]))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(("RESULT %.1f %.3f %.3f %.3f %d\n"):format(
    summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1000,
    latency.mean / 1000, latency:percentile(99) / 1000,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
