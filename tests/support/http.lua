-- A small HTTP/1.1 client: keep-alive, many connections at once, and raw sockets for what no decent client sends.
--
--   local client = http.connect(port)
--   local answer = client:post("/v1/entities/door", { id = "d1" })   --> { status=, headers=, body=, json= }
--   local answers = http.parallel(port, requests, 8)                 -- in the order of the requests
--
-- `json` is the decoded body with nulls left out; an answer that never came is { error = "closed" }.
local json   = require "tests.support.json"
local socket = require "socket"

local http = { null = json.null, array = json.array }

-- Escapes a path segment or a query value.
function http.escape(text)
  return (text:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- --- one request as bytes, one answer from bytes ---

function http.bytes(method, path, body, headers)
  local lines, names = { ("%s %s HTTP/1.1"):format(method, path) }, {}
  for name, value in pairs(headers or {}) do
    names[name:lower()] = true
    lines[#lines + 1] = ("%s: %s"):format(name, value)
  end
  if type(body) == "table" then body = json.encode(body) end
  if not names.host then table.insert(lines, 2, "Host: statute.test") end
  if body and not names["content-type"] then lines[#lines + 1] = "Content-Type: application/json" end
  if body and not names["content-length"] and not names["transfer-encoding"] then
    lines[#lines + 1] = "Content-Length: " .. #body
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

local function dechunk(bytes, at)
  local parts = {}
  while true do
    local size_end, _, size = select(2, bytes:find("^(%x+)[^\r]*\r\n", at)), nil, bytes:match("^(%x+)", at)
    if not size_end then return nil end
    local length = tonumber(size, 16)
    if length == 0 then
      local finish = select(2, bytes:find("\r\n", size_end + 1, true))
      return finish and table.concat(parts), finish and finish + 1
    end
    if #bytes < size_end + length + 2 then return nil end
    parts[#parts + 1] = bytes:sub(size_end + 1, size_end + length)
    at = size_end + length + 3
  end
end

-- The first answer in `bytes` and what is left, or nil while it is not whole. `closed`: no more will come.
function http.parse(bytes, method, closed)
  local head_end = select(2, bytes:find("\r\n\r\n", 1, true))
  if not head_end then return nil end
  local status = tonumber(bytes:match("^HTTP/1%.%d (%d%d%d)"))
  if status == 100 then return http.parse(bytes:sub(head_end + 1), method, closed) end
  local headers = {}
  for name, value in bytes:sub(1, head_end):gmatch("\r\n([^:\r\n]+):[ \t]*([^\r\n]*)") do
    headers[name:lower()] = value
  end
  local body, rest_at
  if method == "HEAD" or status == 204 or status == 304 then
    body, rest_at = "", head_end + 1
  elseif (headers["transfer-encoding"] or ""):lower():find("chunked", 1, true) then
    body, rest_at = dechunk(bytes, head_end + 1)
    if not body then return nil end
  elseif headers["content-length"] then
    rest_at = head_end + tonumber(headers["content-length"]) + 1
    if #bytes < rest_at - 1 then return nil end
    body = bytes:sub(head_end + 1, rest_at - 1)
  else
    if not closed then return nil end
    body, rest_at = bytes:sub(head_end + 1), #bytes + 1
  end
  local answer = { status = status, headers = headers, body = body }
  if (headers["content-type"] or ""):find("json", 1, true) then answer.json = json.decode(body) end
  return answer, bytes:sub(rest_at)
end

-- --- non-blocking connections ---

local Connection = {}
Connection.__index = Connection

-- `tls`: parameters of LuaSec over TLS, see http.tls; nil for plain HTTP.
local function wrap(sock, tls)
  if not tls then return sock end
  local wrapped = assert(require("ssl").wrap(sock, tls))
  local ok, why = wrapped:dohandshake()
  if not ok then
    wrapped:close()
    return nil, why
  end
  return wrapped
end

-- What a client does that trusts whoever answers.
http.tls = { mode = "client", protocol = "any", verify = "none", options = { "all" } }

-- Nothing has come yet; LuaSec says it in words of its own.
local function is_early(why) return why == "timeout" or why == "wantread" or why == "wantwrite" end

local function open(port, host, tls)
  local sock = assert(socket.tcp())
  sock:settimeout(5)
  local ok, why = sock:connect(host or "127.0.0.1", port)
  if not ok then
    sock:close()
    return nil, why
  end
  sock:setoption("tcp-nodelay", true)
  sock, why = wrap(sock, tls)
  if not sock then return nil, why end
  sock:settimeout(0)
  return setmetatable({ sock = sock, port = port, out = "", buffer = "" }, Connection)
end

function Connection:begin(method, bytes)
  self.method, self.out, self.busy = method, bytes, true
end

function Connection:close()
  self.sock:close()
  self.closed = true
end

function Connection:flush()
  if self.out == "" then return end
  local sent, why, partial = self.sock:send(self.out)
  self.out = self.out:sub((sent or partial or 0) + 1)
  if why and not is_early(why) then self.out, self.broken = "", why end
end

-- Takes what has arrived. Returns an answer when one is whole.
function Connection:take()
  local data, why, partial = self.sock:receive(65536)
  self.buffer = self.buffer .. (data or partial or "")
  local ended = why and not is_early(why)
  local answer, rest = http.parse(self.buffer, self.method, ended)
  if answer then
    self.buffer, self.busy = rest, false
    if ended or (answer.headers.connection or ""):lower() == "close" then self:close() end
    return answer
  end
  if ended then
    self:close()
    self.busy = false
    return { error = why, partial = self.buffer }
  end
end

-- Serves the connections until `finished()`; `on_answer(connection, answer)` may begin the next request.
local function serve(connections, finished, on_answer, seconds)
  local deadline = socket.gettime() + (seconds or 60)
  while not finished() do
    local readers, writers, by_sock = {}, {}, {}
    for _, connection in ipairs(connections) do
      if connection.busy and not connection.closed then
        by_sock[connection.sock] = connection
        readers[#readers + 1] = connection.sock
        if connection.out ~= "" then writers[#writers + 1] = connection.sock end
      end
    end
    if #readers == 0 then return end
    local readable, writable = socket.select(readers, writers, 1)
    for _, sock in ipairs(writable) do by_sock[sock]:flush() end
    for _, sock in ipairs(readable) do
      local connection = by_sock[sock]
      local answer = connection:take()
      if answer then on_answer(connection, answer) end
    end
    if socket.gettime() > deadline then
      for _, sock in ipairs(readers) do
        local connection = by_sock[sock]
        if connection.busy then
          connection:close()
          connection.busy = false
          on_answer(connection, { error = "timeout", partial = connection.buffer })
        end
      end
      return
    end
  end
end

-- --- one client ---

local Client = {}
Client.__index = Client

-- `defaults`: headers of every request, { Authorization = "Bearer ..." } say.
function http.connect(port, defaults, host, tls)
  return setmetatable({ tls = tls, port = port, host = host, defaults = defaults or {} }, Client)
end

function Client:headers(more)
  local headers = {}
  for name, value in pairs(self.defaults) do headers[name] = value end
  for name, value in pairs(more or {}) do headers[name] = value end
  return headers
end

-- `body`: a table (sent as JSON), a string (sent as it is), or nil.
function Client:request(method, path, body, headers, seconds)
  for attempt = 1, 2 do
    local reused = self.connection and not self.connection.closed
    if not reused then
      local why
      self.connection, why = open(self.port, self.host, self.tls)
      if not self.connection then return { error = why } end
    end
    local answer
    self.connection:begin(method, http.bytes(method, path, body, self:headers(headers)))
    serve({ self.connection }, function() return answer end, function(_, got) answer = got end, seconds or 30)
    -- a kept connection may have been closed by the server while idle: once more, on a fresh one
    if not (answer.error and reused and answer.partial == "" and attempt == 1) then return answer end
  end
end

function Client:get(path, headers) return self:request("GET", path, nil, headers) end
function Client:post(path, body, headers) return self:request("POST", path, body or {}, headers) end
function Client:patch(path, body, headers) return self:request("PATCH", path, body, headers) end
function Client:close() if self.connection then self.connection:close() end end

-- --- many clients ---

-- `requests`: a list of { method=, path=, body=, headers= }, sent by `clients` connections at once; or a function
-- `(client, last_answer, last_request) -> request | nil` asked for the next request of each client. Returns the
-- answers (of a list: in its order; `answer.request` is the request). `on_answer(answer, count)` may return true to
-- stop early. `ports` is one port, or a list over which the clients are spread.
function http.parallel(ports, requests, clients, on_answer, seconds)
  if type(ports) == "number" then ports = { ports } end
  local answers, next_index, stopped, count = {}, 0, false, 0
  local function next_request(client, answer, request)
    if type(requests) == "function" then return requests(client, answer, request) end
    next_index = next_index + 1
    return requests[next_index], next_index
  end

  local connections = {}
  local function begin(connection, answer)
    local request, index = next_request(connection.client, answer, connection.request)
    connection.request, connection.index = request, index
    if not request then return end
    if connection.closed then
      local fresh, why = open(connection.port)
      if not fresh then
        answers[index or #answers + 1] = { error = why, request = request }
        return
      end
      connection.sock, connection.closed, connection.buffer = fresh.sock, false, ""
    end
    connection:begin(request.method, http.bytes(request.method, request.path, request.body, request.headers))
  end

  for client = 1, clients do
    local port = ports[(client - 1) % #ports + 1]
    local connection = assert(open(port))
    connection.client, connection.port = client, port
    connections[client] = connection
  end
  for _, connection in ipairs(connections) do begin(connection) end
  serve(connections, function() return stopped end, function(connection, answer)
    answer.request = connection.request
    count = count + 1
    answers[connection.index or #answers + 1] = answer
    if on_answer and on_answer(answer, count) then stopped = true end
    if not stopped then begin(connection, answer) end
  end, seconds)
  -- what was on its way when it stopped has no known outcome
  for _, connection in ipairs(connections) do
    if connection.busy and connection.request then
      answers[connection.index or #answers + 1] = { error = "stopped", request = connection.request }
    end
    if not connection.closed then connection:close() end
  end
  return answers
end

-- --- raw bytes ---

-- Sends `bytes` as they are and returns what comes back until the peer closes or is silent for `seconds`.
-- Returns the bytes and whether the peer closed.
function http.raw(port, bytes, seconds, tls)
  local sock = assert(socket.tcp())
  sock:settimeout(5)
  assert(sock:connect("127.0.0.1", port))
  sock:settimeout(5)
  sock = assert(wrap(sock, tls))
  sock:send(bytes)
  local parts, closed = {}, false
  local deadline = socket.gettime() + (seconds or 0.3)
  while not closed do
    sock:settimeout(math.max(deadline - socket.gettime(), 0))
    local data, why, partial = sock:receive(65536)
    parts[#parts + 1] = data or partial
    closed = why == "closed"
    if is_early(why) then break end
  end
  sock:close()
  return table.concat(parts), closed
end

-- --- what answers must look like ---

-- Fails, showing the body, unless the answer has the status; with `code` it must be problem details (RFC 9457) of that
-- code. Returns the decoded body.
function http.expect(answer, status, code)
  local shown = ("%s %s"):format(tostring(answer.status or answer.error), tostring(answer.body))
  if answer.status ~= status then error(("expected %d, got %s"):format(status, shown), 2) end
  local id = answer.headers["x-request-id"]
  if not id or id == "" then error("no X-Request-Id in " .. shown, 2) end
  if not code then return answer.json end
  local problem = answer.json
  if type(problem) ~= "table" or problem.code ~= code then error(("expected %s, got %s"):format(code, shown), 2) end
  local complete = (answer.headers["content-type"] or ""):find("^application/problem%+json") and problem.status == status
    and type(problem.type) == "string" and type(problem.title) == "string" and type(problem.detail) == "string"
    and problem.detail ~= ""
  if not complete then error("no complete problem details: " .. shown, 2) end
  return problem
end

-- All whole answers in `bytes`.
function http.answers(bytes)
  local list, rest = {}, bytes
  while rest ~= "" do
    local answer, remaining = http.parse(rest, "GET", true)
    if not answer then break end
    list[#list + 1], rest = answer, remaining
  end
  return list
end

return http
