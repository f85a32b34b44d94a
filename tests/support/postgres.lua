-- A PostgreSQL server of one test's own, to be killed and started again. It syncs: what it answered must survive.
--
--   local postgres = postgres.start(); postgres:kill(); postgres:launch(); postgres:stop()
local eventually = require "tests.support.eventually"
local policies   = require "tests.support.policies"

local postgres = {}
postgres.__index = postgres

local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local said = pipe:read "a"
  assert(pipe:close(), command .. ": " .. said)
  return said
end

-- options: more of the server's, "-c max_connections=20"
function postgres.start(options)
  local self = setmetatable({ directory = policies.temporary(), options = options or "" }, postgres)
  run("chmod 711 " .. self.directory)
  self.port = 0
  return self:launch()
end

-- Each test has a database of its own, and so has each start of this one.
function postgres:launch()
  local url = run(("scripts/postgres start %s/postgres %d %s"):format(self.directory, self.port, self.options)):match "%S+"
  self.port = tonumber(url:match ":(%d+)/")
  self.url = url
  return self
end

function postgres:pid() return policies.read_file(self.directory .. "/postgres/data/postmaster.pid"):match "^%d+" end

-- The postmaster and all of its processes at once, as when the power goes; their files are what they are.
function postgres:kill()
  local pid = self:pid()
  run(("kill -KILL %s $(cat /proc/%s/task/%s/children)"):format(pid, pid, pid))
  eventually(function() return policies.read_file("/proc/" .. pid .. "/stat") == nil end, 10, "the server is gone")
end

local function say(url, sql) return run(("psql --no-psqlrc --quiet --tuples-only --no-align --command %q %s"):format(sql, url)) end

function postgres:say(sql) return say(self.url, sql) end
function postgres:say_to(database, sql) return say((self.url:gsub("/[^/]*$", "/" .. database)), sql) end

function postgres:stop()
  pcall(run, "scripts/postgres stop " .. self.directory .. "/postgres")
  policies.remove(self.directory)
end

return postgres
