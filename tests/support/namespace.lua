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
  self.within = "nsenter --net=/run/netns/" .. name
  self:run("address add %s/30 dev inside", self.inside)
  self:run "link set inside up"
  self:run "link set lo up"
  return self
end

-- nsenter, and not "ip -n", which wants to mount.
function namespace:run(format, ...) run(("%s ip " .. format):format(self.within, ...)) end

-- Packets vanish in both directions; nobody is told.
function namespace:cut() self:run "link set inside down" end
function namespace:mend() self:run "link set inside up" end

function namespace:remove()
  os.execute(("ip link delete %s 2>/dev/null; ip netns delete %s"):format(self.name, self.name))
end

return namespace
