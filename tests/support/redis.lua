-- A real Redis on a port and a temporary directory of its own.
--
--   local redis = redis.start(); redis:pause(); redis:resume(); redis:kill(); redis:launch(); redis:say "FLUSHALL"
local eventually = require "tests.support.eventually"
local policies   = require "tests.support.policies"
local process    = require "tests.support.process"
local socket     = require "socket"

local redis = {}
redis.__index = redis

-- One nobody listens on; somebody might begin to before we do, which would show as a server that does not start.
function redis.free_port()
  local sock = assert(socket.bind("127.0.0.1", 0))
  local _, port = sock:getsockname()
  sock:close()
  return math.tointeger(tonumber(port))
end

function redis.start()
  local self = setmetatable({ directory = policies.temporary(), port = redis.free_port() }, redis)
  self.url = "redis://127.0.0.1:" .. self.port
  return self:launch()
end

-- On the same port as before; what it held is lost.
function redis:launch()
  self.process = process.start(("redis-server --port %d --bind 127.0.0.1 --save '' --appendonly no --dir %s"):format(self.port,
    self.directory), self.directory .. "/log")
  eventually(function() return self:say "PING" == "+PONG" end, 10, "Redis answers; see " .. self.directory .. "/log")
  return self
end

-- One command in words; the first line of the answer.
function redis:say(command)
  local sock = assert(socket.connect("127.0.0.1", self.port))
  sock:settimeout(2)
  sock:send(command .. "\r\n")
  local line = sock:receive "*l"
  sock:close()
  return line
end

function redis:kill() self.process:kill() end
function redis:pause() self.process:pause() end
function redis:resume() self.process:resume() end

function redis:stop()
  self:kill()
  policies.remove(self.directory)
end

return redis
