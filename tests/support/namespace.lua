-- A network namespace of one test's own: a node in it reaches the rest of the machine by one cable, which can be cut.
-- Needs root and iproute2.
--
--   local namespace = namespace.make(); namespace:cut(); namespace:mend(); namespace:remove()
local namespace = {}
namespace.__index = namespace

local made = 0

local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local said = pipe:read "a"
  assert(pipe:close(), command .. ": " .. said)
end

-- nil when this user may not.
function namespace.make()
  made = made + 1
  local pid = assert(io.open "/proc/self/stat"):read "n"
  local name = ("st%d-%d"):format(pid % 100000, made)
  if not os.execute(("ip netns add %s >/dev/null 2>&1"):format(name)) then return nil end
  local network = ("10.%d.%d"):format(64 + pid // 250 % 60, pid % 250)
  local self = setmetatable({ name = name, outside = network .. ".1", inside = network .. ".2" }, namespace)
  run(("ip link add %s type veth peer name inside netns %s"):format(name, name))
  run(("ip address add %s/30 dev %s && ip link set %s up"):format(self.outside, name, name))
  run(("ip -n %s address add %s/30 dev inside && ip -n %s link set inside up && ip -n %s link set lo up"):format(name, self.inside,
    name, name))
  self.within = "nsenter --net=/run/netns/" .. name
  return self
end

-- Packets vanish in both directions; nobody is told.
function namespace:cut() run(("ip -n %s link set inside down"):format(self.name)) end
function namespace:mend() run(("ip -n %s link set inside up"):format(self.name)) end

function namespace:remove()
  os.execute(("ip link delete %s 2>/dev/null; ip netns delete %s"):format(self.name, self.name))
end

return namespace
