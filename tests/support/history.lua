-- Histories: many clients at once, every call written down as its client saw it, to be held against the records.
--
--   local calls = history.run { nodes = { statute }, calls = 500, next = history.walks(10) }
--   local violations, figures = history.check(calls, history.records(statute, calls), history.WAYS)
--
-- Time is that of one clock: all clients are coroutines of this process.
local http   = require "tests.support.http"
local socket = require "socket"

local history = { check = require "tests.support.history_check" }

-- --- coroutines that wait for a socket, or for a moment ---

-- True when `sock` can be read (or has ended), false when `seconds` are over.
local function await(sock, seconds) return coroutine.yield(sock, socket.gettime() + seconds) end

-- Runs all to their ends.
local function run_all(threads)
  local waiting = {}
  local function resume(thread, ...)
    local ok, sock, at = coroutine.resume(thread, ...)
    if not ok then error(debug.traceback(thread, sock), 0) end
    waiting[thread] = coroutine.status(thread) ~= "dead" and { sock = sock, at = at } or nil
  end
  for _, thread in ipairs(threads) do resume(thread) end
  while next(waiting) do
    local readers, owners, nearest = {}, {}, math.huge
    for thread, wait in pairs(waiting) do
      nearest = math.min(nearest, wait.at)
      if wait.sock then readers[#readers + 1], owners[wait.sock] = wait.sock, thread end
    end
    local ready = socket.select(readers, nil, math.max(nearest - socket.gettime(), 0))
    local due, now = {}, socket.gettime()
    for _, sock in ipairs(ready) do due[owners[sock]] = true end
    for thread, wait in pairs(waiting) do
      if not due[thread] and wait.at <= now then due[thread] = false end
    end
    for thread, readable in pairs(due) do resume(thread, readable) end
  end
end

-- --- one client ---

local Client = {}
Client.__index = Client

function Client:connect()
  local sock = assert(socket.tcp())
  sock:settimeout(1)
  if not sock:connect(self.node.host, self.node.port) then
    sock:close()
    return false
  end
  sock:setoption("tcp-nodelay", true)
  sock:settimeout(0)
  self.sock = sock
  return true
end

function Client:disconnect()
  if self.sock then self.sock:close() end
  self.sock = nil
end

-- The answer, or nil: none came, whole.
function Client:exchange(method, bytes, seconds)
  local buffer, deadline = "", socket.gettime() + seconds
  if self.sock:send(bytes) ~= #bytes then return nil end
  while await(self.sock, math.max(deadline - socket.gettime(), 0)) do
    local data, why, partial = self.sock:receive(65536)
    buffer = buffer .. (data or partial or "")
    local answer = http.parse(buffer, method, why == "closed")
    if answer or (why and why ~= "timeout") then return answer end
  end
end

local METHODS = { create = "POST", transition = "POST", update = "PATCH", read = "GET" }

local function target_of(call)
  local collection = "/v1/entities/" .. call.machine
  if call.action == "create" then return collection end
  return collection .. "/" .. call.id .. (call.action == "transition" and "/transitions" or "")
end

local function body_of(call)
  if call.action == "read" then return nil end
  local body = call.action == "create" and { id = call.id, data = {} } or { data = call.data }
  if call.action == "transition" then body.to, body.options, body.actor = call.to, call.options, call.actor end
  return body
end

-- Makes the call and writes it down. While nothing listens it is not made: nothing was sent.
function Client:call(run, request)
  while not self.sock and not self:connect() do
    if run:is_over() then return nil end
    await(nil, 0.02)
  end
  run.count = run.count + 1
  local call = setmetatable({ client = self.number, node = self.node_number, request_id = ("%s-%d"):format(run.name, run.count) },
    { __index = request })
  local method = METHODS[call.action]
  local headers = { ["X-Request-Id"] = call.request_id, ["Idempotency-Key"] = call.key }
  for name, value in pairs(self.node.options.headers or {}) do headers[name] = value end
  local bytes = http.bytes(method, target_of(call), body_of(call), headers)
  call.invoked = socket.gettime()
  local answer = self:exchange(method, bytes, run.patience)
  call.answered = answer and socket.gettime()
  if answer then call.status, call.json, call.code = answer.status, answer.json, answer.json and answer.json.code end
  if not answer or (answer.headers.connection or ""):lower() == "close" then self:disconnect() end
  run.calls[#run.calls + 1] = call
  return call
end

local function is_settled(call) return call.status ~= nil and call.status < 500 end

-- What has a key is asked again now and then: before its answer came, after it, and whenever nobody knows.
function Client:work(run)
  while not run:is_over() do
    local request = table.remove(run.again, 1) or run.next(run)
    if not request then break end
    if request.key and run:roll(20) == 1 then run.again[#run.again + 1] = request end
    local call = self:call(run, request)
    if call and not is_settled(call) then
      if request.key then run.again[#run.again + 1] = request end
      await(nil, 0.005 * run:roll(10)) -- who was refused does not hammer
    elseif call then
      run.settled[self.node_number] = run.settled[self.node_number] + 1
      if request.key and run:roll(20) == 1 then run.again[#run.again + 1] = request end
    end
  end
  self:disconnect()
end

-- --- one run ---

local Run = {}
Run.__index = Run

-- 1..n, the same numbers on every run.
function Run:roll(n)
  self.random = (self.random * 1103515245 + 12345) % 2147483648
  return (self.random >> 8) % n + 1
end

function Run:new_key()
  self.keys = self.keys + 1
  return ("%s-key-%d"):format(self.name, self.keys)
end

function Run:is_over() return self.stopped or #self.calls >= self.most end

local runs = 0

-- options: nodes (servers; clients are spread over them), clients (20), calls (how many in all), next(run) -> request
-- (history.walks), patience (seconds a client waits for an answer, 30), meanwhile(pause): what happens while they run;
-- then `calls` is not needed: they go on until it has ended and every node has again answered some calls: a node that
-- does not recover by itself fails the run. Returns the calls.
function history.run(options)
  runs = runs + 1
  local run = setmetatable({ name = ("run%d"):format(runs), random = options.seed or 4711 + runs, calls = {}, again = {}, count = 0, keys = 0,
                             settled = {}, next = options.next, patience = options.patience or 30,
                             most = options.calls or math.huge }, Run)
  local threads = {}
  for node_number in ipairs(options.nodes) do run.settled[node_number] = 0 end
  for number = 1, options.clients or 20 do
    local node_number = (number - 1) % #options.nodes + 1
    local client = setmetatable({ number = number, node = options.nodes[node_number], node_number = node_number }, Client)
    threads[#threads + 1] = coroutine.create(function() client:work(run) end)
  end
  if options.meanwhile then
    threads[#threads + 1] = coroutine.create(function() history.disturb(run, options) end)
  end
  run_all(threads)
  return run.calls
end

local RECOVERED  = 20 -- calls that a node has to settle
local RECOVERY_S = 40 -- and how long it may take

function history.disturb(run, options)
  options.meanwhile(function(seconds) await(nil, seconds) end)
  for number in ipairs(options.nodes) do run.settled[number] = 0 end
  local deadline = socket.gettime() + RECOVERY_S
  for number in ipairs(options.nodes) do
    while run.settled[number] < RECOVERED do
      if socket.gettime() > deadline then
        run.stopped = true
        error(("node %d has not recovered in %d s: %d calls settled"):format(number, RECOVERY_S, run.settled[number]), 0)
      end
      await(nil, 0.05)
    end
  end
  run.stopped = true
end

-- --- what clients ask for ---

-- A graph with a few ways, so that a history can be checked for being a legal path; `n` counts the moves.
history.WALK = [[
local function count(walk) return { set = { n = (walk.n or 0) + 1 } } end
return machine "walk" {
  initial = "A", fields = { n = "integer" },
  states = { A = { to = { B = { effect = count }, C = { effect = count } } }, B = { to = { C = { effect = count }, D = { effect = count } } },
             C = { to = { A = { effect = count }, D = { effect = count } } }, D = { to = { A = { effect = count } } } },
}
]]
history.WAYS = { walk = { A = "BC", B = "CD", C = "AD", D = "A" } }

-- Random requests on `entities` walks: they are created by the way, moved, sometimes where there is no way, patched, read.
function history.walks(entities, prefix)
  return function(run)
    local dice = run:roll(20)
    local request = { machine = "walk", id = (prefix or "w") .. run:roll(entities), key = run:new_key() }
    if dice == 1 then
      request.action = "create"
    elseif dice == 2 then
      request.action, request.data = "update", { note = run.count }
    elseif dice <= 4 then
      request.action, request.key = "read", nil
    else
      request.action, request.to = "transition", ("ABCD"):sub(run:roll(4)):sub(1, 1)
      if dice <= 7 then request.options = { idempotent = true } end
      if dice >= 18 then request.key = nil end
    end
    return request
  end
end

-- --- what happened ---

-- The records of every entity that was called for, and the entity as it is.
function history.records(node, calls)
  local found = {}
  for _, call in ipairs(calls) do
    local name = call.machine .. "/" .. call.id
    if not found[name] then
      found[name] = node:history(call.machine, call.id)
      local answer = node:read(call.machine, call.id)
      if answer.status == 200 then found[name].entity = answer.json end
    end
  end
  return found
end

local NOTE = os.getenv "STATUTE_TEST_FIGURES" -- a file: one line a history

-- Fails the test with what is wrong; returns the figures.
function history.prove(name, node, calls, ways)
  local violations, figures = history.check(calls, history.records(node, calls), ways or history.WAYS)
  local line = ("%s: %d calls, %d done, %d refused, %d nothing done, %d unknown of which %d happened, %d violations"):format(name,
    figures.calls, figures.done, figures.refused, figures.nothing, figures.unknown, figures.happened, #violations)
  if NOTE then
    local file = assert(io.open(NOTE, "a"))
    file:write(line, "\n")
    file:close()
  end
  if #violations > 0 then error(line .. "\n  " .. table.concat(violations, "\n  ", 1, math.min(#violations, 20)), 2) end
  return figures
end

return history
