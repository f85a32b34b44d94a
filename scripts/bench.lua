-- bench.lua: what wrk sends in scripts/bench. Moves task entities between INPROGRESS and WORKING, round
-- robin, so that every request is a transition that succeeds; or repeats one fixed request.
-- Arguments after wrk's "--": transitions COUNT FIRST | fixed METHOD PATH BODY
local requests, turn = {}, -2

local STATES = { "WORKING", "INPROGRESS" }
local HEADERS = { ["Content-Type"] = "application/json" }

-- All requests are made before the first is sent: the load must not take the server's time to print itself.
local function make_transitions(count, first)
  for lap, state in ipairs(STATES) do
    for number = 0, count - 1 do
      requests[(lap - 1) * count + number] = wrk.format("POST", ("/v1/entities/task/bench-%d/transitions"):format(first + number),
        HEADERS, ('{"to":"%s","actor":{"id":"bench","permissions":["activity.start_task"]}}'):format(state))
    end
  end
end

function init(arguments)
  if arguments[1] == "transitions" then
    make_transitions(tonumber(arguments[2]), tonumber(arguments[3]))
  else
    requests[0] = wrk.format(arguments[2], arguments[3], HEADERS, arguments[4] ~= "" and arguments[4] or nil)
  end
  requests[-1] = requests[0] -- wrk asks once before it sends
end

function request()
  turn = requests[turn + 1] and turn + 1 or 0
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(("RESULT %.1f %.3f %.3f %.3f %d\n"):format(
    summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1000,
    latency.mean / 1000, latency:percentile(99) / 1000,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
