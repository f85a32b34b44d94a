-- Waits for something that another process does. The only place in the tests that sleeps.
local socket = require "socket"

-- Builds with a sanitizer get more time.
local patience = (os.getenv("STATUTE") or ""):find("san/", 1, true) and 5 or 1

-- Calls `probe` until it returns a true value, which is returned; an error counts as "not yet". After
-- `seconds` (default 5) it fails with `what` and the last error or value.
local function eventually(probe, seconds, what)
  seconds = (seconds or 5) * patience
  local deadline, pause = socket.gettime() + seconds, 0.001
  while true do
    local ok, value = pcall(probe)
    if ok and value then return value end
    if socket.gettime() >= deadline then
      error(("not within %g s: %s (%s)"):format(seconds, what or "what was expected", tostring(value)), 2)
    end
    socket.sleep(pause)
    pause = math.min(pause * 1.5, 0.05)
  end
end

return eventually
