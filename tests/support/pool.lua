-- A pgbouncer of one test's own, between a node and its database: pausing it is a cable that is cut, and nobody is told.
--
--   local pool = pool.start(url); pool.url; pool:pause(); pool:resume(); pool:stop()
local policies = require "tests.support.policies"

local pool = {}
pool.__index = pool

-- `address`: to listen on
function pool.start(url, address)
  local self = setmetatable({ directory = policies.temporary() }, pool)
  os.execute("chmod 711 " .. self.directory)
  local pipe = assert(io.popen(("scripts/pgbouncer start %s/pool %s %s"):format(self.directory, url, address or "")))
  self.url = assert(pipe:read "l", "pgbouncer did not start")
  pipe:close()
  return self
end

function pool:signal(name) os.execute(("kill -%s $(cat %s/pool/pid)"):format(name, self.directory)) end
function pool:pause() self:signal "STOP" end
function pool:resume() self:signal "CONT" end

function pool:stop()
  self:resume()
  os.execute("scripts/pgbouncer stop " .. self.directory .. "/pool")
  policies.remove(self.directory)
end

return pool
