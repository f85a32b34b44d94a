-- Stands between a node and its PostgreSQL, and now and then cuts a connection at the worst moment: when COMMIT has been
-- sent and its answer has not come. Of every N-th COMMIT either the server hears, or nobody does.
--
--   local cutter = cutter.start(url, 7); cutter.url; cutter:cuts(); cutter:stop()
local eventually = require "tests.support.eventually"
local policies   = require "tests.support.policies"
local process    = require "tests.support.process"
local socket     = require "socket"

local cutter = {}
cutter.__index = cutter

function cutter.start(url, every)
  local self = setmetatable({ directory = policies.temporary() }, cutter)
  self.log = self.directory .. "/log"
  self.process = process.start(("lua5.4 tests/support/cutter.lua %s %d"):format(url:match ":(%d+)/", every), self.log)
  local port = eventually(function() return policies.read_file(self.log):match "listening on (%d+)" end, 5, "the cutter listens")
  self.url = url:gsub(":%d+/", ":" .. port .. "/")
  return self
end

function cutter:cuts() return select(2, policies.read_file(self.log):gsub("cut ", "")) end

function cutter:stop()
  self.process:kill()
  policies.remove(self.directory)
end

-- --- the process itself ---

local function serve(target, every)
  local listener = assert(socket.bind("127.0.0.1", 0))
  local peers, watched, commits = {}, { listener }, 0 -- peers: a socket -> { to =, from_client = }

  local function say(...)
    io.write(...)
    io.write "\n"
    io.flush()
  end

  local function unwatch(sock)
    for i, one in ipairs(watched) do
      if one == sock then return table.remove(watched, i) end
    end
  end

  local function close(sock)
    local to = peers[sock] and peers[sock].to
    for _, side in ipairs { sock, to } do
      unwatch(side)
      peers[side] = nil
      side:close()
    end
  end

  local function accept()
    local client, server = listener:accept(), socket.connect("127.0.0.1", target)
    if not client or not server then return client and client:close() end
    for _, side in ipairs { client, server } do
      side:settimeout(0)
      side:setoption("tcp-nodelay", true)
      watched[#watched + 1] = side
    end
    peers[client], peers[server] = { to = server, from_client = true }, { to = client }
  end

  -- What the server has to hear may be more than its socket takes at once.
  local function send(sock, bytes)
    sock:settimeout(5)
    local sent = sock:send(bytes)
    sock:settimeout(0)
    return sent
  end

  local function pass(sock)
    local data, why, partial = sock:receive(65536)
    local bytes, peer = data or partial or "", peers[sock]
    if peer.from_client and bytes:sub(1, 1) ~= "Q" and bytes:find("COMMIT\0", 1, true) then -- Q: still opening
      commits = commits + 1
      if commits % every == 0 then
        local heard = commits // every % 2 == 0
        if heard then send(peer.to, bytes) end
        say("cut ", heard and "after" or "before", " the server heard of COMMIT ", commits)
        return close(sock)
      end
    end
    if (bytes ~= "" and not send(peer.to, bytes)) or why == "closed" then close(sock) end
  end

  say("listening on ", select(2, listener:getsockname()))
  while true do
    for _, sock in ipairs((socket.select(watched))) do
      if sock == listener then accept() elseif peers[sock] then pass(sock) end
    end
  end
end

if arg and arg[0] and arg[0]:find "cutter%.lua$" then serve(tonumber(arg[1]), tonumber(arg[2])) end

return cutter
