-- A process of the test's own, which ends with the test run, whatever becomes of that; ended by its number, never by name.
local eventually = require "tests.support.eventually"
local policies   = require "tests.support.policies"

local Process = {}
Process.__index = Process
-- A test that fails may leave it running, and the end of the run would wait for it in pclose.
Process.__gc = function(self) if self.pid then os.execute("kill -KILL " .. self.pid) end end

local process = {}

-- `command`: for the shell, one program. What it prints goes to the file `log`.
function process.start(command, log)
  local pipe = assert(io.popen(("echo $$; exec setpriv --pdeathsig KILL %s >>%s 2>&1 </dev/null"):format(command, log)))
  -- the pipe is made first, so that it is collected after the guard
  return setmetatable({ pipe = pipe, pid = assert(tonumber(pipe:read "l")), log_path = log }, Process)
end

function Process:signal(name) os.execute(("kill -%s %d"):format(name, self.pid)) end

function Process:state()
  local stat = policies.read_file("/proc/" .. self.pid .. "/stat")
  return stat and stat:match "^%d+ %(.*%) (%a)" or "gone"
end

function Process:is_running() return self:state():find "[Zg]" == nil end

function Process:kill()
  if not self.pid then return end
  self:signal "KILL"
  eventually(function() return not self:is_running() end, 10, "the process ends")
  self.pid = nil
  self.pipe:close()
end

-- It keeps its connections, and never answers.
function Process:pause()
  self:signal "STOP"
  eventually(function() return self:state() == "T" end, 5, "the process stands still")
end

function Process:resume() self:signal "CONT" end

return process
