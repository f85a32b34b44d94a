-- Starts and stops a real server: port 0, a fresh temporary directory, a database of its own.
--
--   local statute = server.start { policies = { ["door.lua"] = "return machine ..." } }
--   statute.client:get("/v1/machines"); statute:stop()
local eventually = require "tests.support.eventually"
local http       = require "tests.support.http"
local policies   = require "tests.support.policies"

local server = { program = os.getenv("STATUTE") or "build/statute" }

-- How much slower and larger than usual the program may be: builds with a sanitizer are both.
server.patience = server.program:find("san/", 1, true) and 20 or 1

local Server = {}
Server.__index = Server

-- A test that fails may leave its server running, and the end of the run would wait for it in pclose. The guard is
-- made after the pipe, so it is collected before it.
local Guard = { __gc = function(guard)
  if guard.pid then os.execute("kill -KILL " .. guard.pid) end
end }

local read = policies.read_file

function server.quote(text) return "'" .. tostring(text):gsub("'", "'\\''") .. "'" end

local function quoted(list)
  local parts = {}
  for i, item in ipairs(list) do parts[i] = server.quote(item) end
  return table.concat(parts, " ")
end

-- Runs a program to its end. Returns exit status, standard output, standard error.
function server.run(arguments, input)
  local directory = policies.temporary()
  local out, err, fed = directory .. "/out", directory .. "/err", "/dev/null"
  if input then
    fed = directory .. "/in"
    policies.write_file(fed, input)
  end
  local command = ("timeout 60 %s <%s >%s 2>%s"):format(quoted(arguments), fed, out, err)
  local _, kind, code = os.execute(command)
  local printed, complained = read(out), read(err)
  policies.remove(directory)
  return kind == "signal" and 128 + code or code, printed, complained
end

-- `statute COMMAND ...`
function server.statute(arguments, input)
  return server.run({ server.program, table.unpack(arguments) }, input)
end

-- The state letter of a process: "R", "S", "Z"...; nil when it is gone.
local function process_state(pid)
  local stat = read("/proc/" .. pid .. "/stat")
  return stat and stat:match("^%d+ %(.*%) (%a)")
end

-- --- stores: a fresh one for each server ---

-- "sqlite", or "postgresql" on the server that STATUTE_TEST_POSTGRES names (scripts/postgres).
server.store_kind = os.getenv("STATUTE_TEST_STORE") or "sqlite"

local function administer(sql)
  local url = assert(os.getenv("STATUTE_TEST_POSTGRES"), "STATUTE_TEST_POSTGRES is not set; scripts/postgres start prints it")
  local status, _, err = server.run { "psql", "--no-psqlrc", "--quiet", "--command", sql, url }
  assert(status == 0, err)
  return url
end

-- The URL of an empty store. A database is called as the directory is.
function server.new_store(directory)
  if server.store_kind == "sqlite" then return "sqlite:" .. directory .. "/x.db" end
  local name = directory:match("[^/]+$")
  return (administer(('CREATE DATABASE "%s"'):format(name)):gsub("/[^/]*$", "/" .. name))
end

function server.drop_store(url)
  local name = url:match("^postgresql://.*/([^/]+)$")
  if name then administer(('DROP DATABASE IF EXISTS "%s" WITH (FORCE)'):format(name)) end
end

local function sql_program(url)
  local path = url:match("^sqlite:(.*)")
  return path and { "sqlite3", "-bail", "-cmd", ".timeout 5000", path }
    or { "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", url }
end

-- Runs SQL beside the servers, as the application whose database it is. Returns the lines of the answer, columns
-- separated by "|".
function server.sql(url, statements)
  local status, out, err = server.run(sql_program(url), statements)
  assert(status == 0, err)
  local lines = {}
  for line in out:gmatch("[^\n]+") do lines[#lines + 1] = line end
  return lines
end

-- The same at the side of the test, each statement in a transaction of its own; the function returned waits for the end.
function server.sql_beside(url, statements)
  local directory = policies.temporary()
  policies.write_file(directory .. "/in", statements)
  local pipe = assert(io.popen(("timeout 120 %s <%s/in 2>&1"):format(quoted(sql_program(url)), directory)))
  return function()
    local said = pipe:read("a")
    assert(pipe:close(), said)
    policies.remove(directory)
  end
end

-- All that the store has written, as bytes to search.
function server.stored(url)
  local path = url:match("^sqlite:(.*)")
  if path then return (read(path) or "") .. (read(path .. "-wal") or "") end
  local status, dump, err = server.run { "pg_dump", "--data-only", "--inserts", url }
  assert(status == 0, err)
  return dump
end

-- The distributed lock of every server: "local", "store", the URL of a Redis, or "redis" for one of the test run's own.
-- Each store has a database of it, since two stores may have entities of the same name.
local LOCK, own_redis, lock_count = os.getenv("STATUTE_TEST_LOCK"), nil, 0

function server.new_lock()
  if not LOCK or LOCK == "" or LOCK == "local" then return nil end
  if LOCK == "store" then return LOCK end
  if LOCK == "redis" then own_redis = own_redis or require("tests.support.redis").start() end
  lock_count = lock_count + 1
  return ("%s/%d"):format(own_redis and own_redis.url or LOCK, lock_count % 16)
end

-- How many servers the specs of races run on one store: more than one only where several may write.
server.nodes = tonumber(os.getenv("STATUTE_TEST_NODES") or 1)

-- options: policies (directory or table), directory (to go on with), auth ("none"; false: leave out), arguments (list),
-- host (to listen on), within (a program that runs it, "nsenter ..."), store and lock (URLs, in place of fresh ones),
-- nodes (servers in all on this store; `ports` and `nodes` list them).
-- tls: true: clients speak it; --tls-cert and --tls-key are to be among the arguments.
function server.start(options)
  options = options or {}
  if options.tls == true then options.tls = http.tls end
  local self = setmetatable({ options = options, host = options.host or "127.0.0.1" }, Server)
  self.directory = options.directory or policies.temporary()
  if type(options.policies) == "table" then
    self.policy_directory = policies.write(options.policies, self.directory .. "/policies")
  else
    self.policy_directory = options.policies or "policies"
  end
  self.store = options.store or server.new_store(self.directory)
  self.lock = options.lock or server.new_lock()
  self:launch()
  self.others, self.ports, self.nodes = {}, { self.port }, { self }
  for i = 2, options.nodes or 1 do
    self.others[i - 1] = server.start { policies = self.policy_directory, store = self.store, lock = self.lock,
                                        auth = options.auth, headers = options.headers, arguments = options.arguments }
    self.ports[i], self.nodes[i] = self.others[i - 1].port, self.others[i - 1]
  end
  return self
end

function Server:launch()
  local arguments = { server.program, "serve", "--listen", self.host .. ":0", "--policies", self.policy_directory,
                      "--store", self.store }
  if self.lock then table.move({ "--lock", self.lock }, 1, 2, #arguments + 1, arguments) end
  if self.options.auth ~= false then
    table.move({ "--auth", self.options.auth or "none" }, 1, 2, #arguments + 1, arguments)
  end
  for _, argument in ipairs(self.options.arguments or {}) do arguments[#arguments + 1] = argument end
  self.launches = (self.launches or 0) + 1
  self.log_path = ("%s/log.%d"):format(self.directory, self.launches)
  -- the server dies with the test run, whatever becomes of it
  self.pipe = assert(io.popen(("echo $$; exec %s setpriv --pdeathsig KILL %s >%s 2>%s"):format(
    self.options.within or "", quoted(arguments), server.quote(self.directory .. "/out"), server.quote(self.log_path))))
  self.pid = assert(tonumber(self.pipe:read("l")))
  self.guard = setmetatable({ pid = self.pid }, Guard)
  self.port = eventually(function()
    local state = process_state(self.pid)
    local port = self:log():match("listening.-https?://[%d%.]+:(%d+)")
    if not port and (state == nil or state == "Z") then return "gone" end
    return port and tonumber(port)
  end, 20, "the server says where it listens")
  if self.port == "gone" then
    self.guard.pid = nil
    self.pipe:close()
    error("the server ended at once: " .. self:log(), 3)
  end
  self.client = http.connect(self.port, self.options.headers, self.host, self.options.tls)
  eventually(function() return self.client:get("/readyz").status == 200 end, 20, "the server is ready")
end

function Server:log() return read(self.log_path) or "" end

function Server:signal(name) os.execute(("kill -%s %d"):format(name, self.pid)) end

function Server:is_running()
  local state = process_state(self.pid)
  return state ~= nil and state ~= "Z"
end

-- Waits for the end of the process: "exit" or "signal", and the number.
function Server:wait(seconds)
  eventually(function() return not self:is_running() end, seconds or 15, "the server ends")
  local _, kind, code = self.pipe:close()
  self.pid, self.pipe, self.guard.pid = nil, nil, nil
  return kind, code
end

-- SIGTERM must end the server with exit status 0 and no sanitizer report.
function Server:stop(keep)
  if not self.pid then return end
  for _, other in ipairs(self.others) do other:stop() end
  self.client:close()
  self:signal("TERM")
  local kind, code = self:wait()
  local log = self:log()
  if not keep then
    policies.remove(self.directory)
    if not self.options.store then server.drop_store(self.store) end
  end
  if kind ~= "exit" or code ~= 0 then
    error(("the server ended with %s %s:\n%s"):format(kind, code, log:sub(-2000)), 2)
  end
  assert(not log:find("Sanitizer", 1, true), log)
end

function Server:kill9()
  self.client:close()
  self:signal("KILL")
  self:wait()
end

-- Starts again on the same directory and store, after stop(true) or kill9().
function Server:restart()
  assert(not self.pid, "it still runs")
  self:launch()
end

function Server:rss_kib()
  return tonumber(read(("/proc/%d/status"):format(self.pid)):match("VmRSS:%s*(%d+)"))
end

-- Policy files, changed under the running server.
function Server:write_policy(name, source) policies.write_file(self.policy_directory .. "/" .. name, source) end
function Server:remove_policy(name) os.remove(self.policy_directory .. "/" .. name) end

-- --- shorthand for what most tests do ---

function Server:create(machine, id, data, state)
  local answer = self.client:post("/v1/entities/" .. machine, { id = id, data = data, state = state })
  assert(answer.status == 201, ("create %s %s: %s %s"):format(machine, tostring(id), tostring(answer.status), tostring(answer.body)))
  return answer.json
end

function Server:read(machine, id)
  return self.client:get(("/v1/entities/%s/%s"):format(machine, http.escape(id)))
end

-- `request`: a state, or the whole transition request.
function Server:move(machine, id, request, headers)
  if type(request) == "string" then request = { to = request } end
  return self.client:post(("/v1/entities/%s/%s/transitions"):format(machine, http.escape(id)), request, headers)
end

-- Every audit record of an entity, oldest first.
function Server:history(machine, id)
  local records, cursor = {}, nil
  repeat
    local query = cursor and "&cursor=" .. http.escape(cursor) or ""
    local answer = self.client:get(("/v1/entities/%s/%s/history?limit=100%s"):format(machine, http.escape(id), query))
    assert(answer.status == 200, answer.body)
    for _, record in ipairs(answer.json.items) do records[#records + 1] = record end
    cursor = answer.json.next_cursor
  until not cursor
  return records
end

return server
