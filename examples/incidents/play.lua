-- Plays a real incident log against a statute server: one entity per incident, one HTTP call per event.
--
--   lua5.4 play.lua [CSV] [--url http://127.0.0.1:8080] [--clients 8] [--token st_...]
--
-- Needs the machine `incident` (policies/incident.lua) and lua-socket. See README.md.
local socket = require "socket"

-- --- the command line ---

local function usage(message)
  io.stderr:write(message, "\nusage: lua5.4 play.lua [CSV] [--url http://HOST:PORT] [--clients N] [--token TOKEN]\n")
  os.exit(2)
end

local function fail(message)
  io.stderr:write(message, "\n")
  os.exit(3)
end

local function read_arguments(words)
  local options = { csv = "../shared/data/incidents.csv", url = "http://127.0.0.1:8080", clients = "8" }
  local i = 1
  while i <= #words do
    local name, value = words[i]:match("^%-%-(%l+)=?(.*)$")
    if not name then
      options.csv = words[i]
    elseif name == "url" or name == "clients" or name == "token" then
      if value == "" then
        i = i + 1
        value = words[i] or usage("--" .. name .. " needs a value")
      end
      options[name] = value
    else
      usage("unknown option " .. words[i])
    end
    i = i + 1
  end
  options.clients = math.tointeger(tonumber(options.clients)) or usage("--clients needs a number")
  options.host, options.port = options.url:match("^http://([%w%.%-]+):(%d+)/?$")
  if not options.host then usage("--url needs the form http://HOST:PORT") end
  return options
end

-- --- the log ---

-- The fields of one CSV line (RFC 4180, no line ends inside quotes).
local function fields_of(line)
  local fields, at = {}, 1
  repeat
    local quoted, after = line:match('^"([^"]*)"()', at)
    while quoted and line:sub(after, after) == '"' do -- "" inside quotes is one "
      local more, next_after = line:match('^"([^"]*)"()', after)
      quoted, after = quoted .. '"' .. more, next_after
    end
    local plain, plain_after = line:match("^([^,]*)()", at)
    fields[#fields + 1] = quoted or plain
    at = (after or plain_after) + 1
  until at > #line + 1
  return fields
end

local INTEGERS = { reassignment_count = true, reopen_count = true, sys_mod_count = true }

-- What a cell means. The log's times are local to the company, whose zone is not known: they are taken as UTC.
local function value_of(column, text)
  if text == "?" then return nil end
  if text == "TRUE" then return true end
  if text == "FALSE" then return false end
  if INTEGERS[column] then return math.tointeger(tonumber(text)) end
  local day, month, year, clock = text:match("^(%d%d)%-(%d%d)%-(%d%d%d%d) (%d%d:%d%d)$")
  if day then return ("%s-%s-%sT%s:00Z"):format(year, month, day, clock) end
  return text
end

-- The incidents in the order of their first rows: { id =, rows = { { state =, data = {...} } ... } }; and the columns.
local function read_log(path)
  local file, problem = io.open(path)
  if not file then fail("cannot read the log: " .. problem) end
  local columns = fields_of((file:read("l"):gsub("\r$", "")))
  local incidents, by_id, events = {}, {}, 0
  for line in file:lines() do
    local cells, data, id, state = fields_of((line:gsub("\r$", ""))), {}, nil, nil
    for i, column in ipairs(columns) do
      if column == "number" then
        id = cells[i]
      elseif column == "incident_state" then
        state = cells[i]
      else
        data[column] = value_of(column, cells[i])
      end
    end
    if not by_id[id] then
      by_id[id] = { id = id, rows = {} }
      incidents[#incidents + 1] = by_id[id]
    end
    table.insert(by_id[id].rows, { state = state, data = data })
    events = events + 1
  end
  file:close()
  return incidents, columns, events
end

-- --- JSON: as much as is needed here ---

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function json_value(value)
  if type(value) ~= "string" then return tostring(value) end -- nil is "null" below
  return '"' .. value:gsub('[%c"\\]', function(c) return ESCAPES[c] or ("\\u%04x"):format(c:byte()) end) .. '"'
end

local function json_object(data, keys)
  local parts = {}
  for _, key in ipairs(keys) do
    local value = data[key]
    parts[#parts + 1] = json_value(key) .. ":" .. (value == nil and "null" or json_value(value))
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- Reads an object of objects, strings, numbers, booleans and nulls; lists are skipped over.
local json_read

local function read_string(text, at)
  local out = {}
  while true do
    local plain, stop = text:match('^([^"\\]*)()', at)
    out[#out + 1] = plain
    if text:sub(stop, stop) == '"' then return table.concat(out), stop + 1 end
    local escape = text:sub(stop + 1, stop + 1)
    if escape == "u" then
      out[#out + 1] = utf8.char(tonumber(text:sub(stop + 2, stop + 5), 16))
      at = stop + 6
    else
      out[#out + 1] = ({ n = "\n", r = "\r", t = "\t", b = "\b", f = "\f" })[escape] or escape
      at = stop + 2
    end
  end
end

function json_read(text, at)
  at = text:match("^%s*()", at)
  local first = text:sub(at, at)
  if first == '"' then return read_string(text, at + 1) end
  if first ~= "{" and first ~= "[" then
    local word, after = text:match("^([%w+%-.]+)()", at)
    if word == "true" or word == "false" then return word == "true", after end
    return tonumber(word), after -- null is nil
  end
  local object, close = {}, first == "{" and "}" or "]"
  at = text:match("^%s*()", at + 1)
  while text:sub(at, at) ~= close do
    local key = #object + 1
    if first == "{" then
      key, at = json_read(text, at)
      at = text:match("^%s*:()", at)
    end
    object[key], at = json_read(text, at)
    at = text:match("^%s*,?%s*()", at)
  end
  return object, at + 1
end

-- --- events as requests ---

local function request_bytes(options, method, path, body)
  local token = options.token and ("Authorization: Bearer %s\r\n"):format(options.token) or ""
  local content = body and ("Content-Type: application/json\r\nContent-Length: %d\r\n"):format(#body) or ""
  return ("%s %s HTTP/1.1\r\nHost: %s:%s\r\n%s%s\r\n%s"):format(method, path, options.host, options.port, token, content, body or "")
end

-- The columns in which two rows differ.
local function changed_columns(columns, before, now)
  local changed = {}
  for _, column in ipairs(columns) do
    if before[column] ~= now[column] then changed[#changed + 1] = column end
  end
  return changed
end

-- The request of one row: the first creates the incident in its state, a change of state is a transition that brings the
-- row's changes along, anything else is a change of data.
local function event_request(options, columns, incident, number)
  local row, before = incident.rows[number], incident.rows[number - 1]
  local path = "/v1/entities/incident/" .. incident.id
  if not before then
    local body = ('{"id":%s,"state":%s,"data":%s}'):format(json_value(incident.id), json_value(row.state),
      json_object(row.data, changed_columns(columns, {}, row.data)))
    return request_bytes(options, "POST", "/v1/entities/incident", body), 201
  end
  local patch = json_object(row.data, changed_columns(columns, before.data, row.data))
  if row.state == before.state then
    return request_bytes(options, "PATCH", path, ('{"data":%s}'):format(patch)), 200
  end
  return request_bytes(options, "POST", path .. "/transitions", ('{"to":%s,"data":%s}'):format(json_value(row.state), patch)), 200
end

-- --- connections ---

local function connect(options)
  local sock, problem = socket.connect(options.host, tonumber(options.port))
  if not sock then fail(("cannot reach %s: %s"):format(options.url, problem)) end
  sock:setoption("tcp-nodelay", true)
  sock:settimeout(0)
  return { sock = sock, received = "" }
end

-- Sends as much as the socket takes; a request is small, so nearly always all of it.
local function flush(connection)
  local sent, problem, partial = connection.sock:send(connection.to_send)
  if problem and problem ~= "timeout" then fail("the server closed the connection: " .. problem) end
  connection.to_send = connection.to_send:sub((sent or partial) + 1)
end

-- The status and body of the answer, when it is whole.
local function take_answer(connection)
  local data, problem, partial = connection.sock:receive(65536)
  connection.received = connection.received .. (data or partial)
  local head_end = select(2, connection.received:find("\r\n\r\n", 1, true))
  local length = head_end and tonumber(connection.received:sub(1, head_end):lower():match("\r\ncontent%-length:%s*(%d+)"))
  if length and #connection.received >= head_end + length then
    local status = tonumber(connection.received:match("^HTTP/1%.1 (%d+)"))
    local body = connection.received:sub(head_end + 1, head_end + length)
    connection.received = connection.received:sub(head_end + length + 1)
    return status, body
  end
  if problem == "closed" then fail("the server closed the connection in the middle of an answer") end
end

-- Runs `clients` connections; next_request(connection) gives the bytes of its next request or nil, on_answer takes each answer.
local function run(options, next_request, on_answer)
  local busy = {}
  for _ = 1, options.clients do
    local connection = connect(options)
    connection.to_send = next_request(connection)
    if connection.to_send then busy[connection.sock] = connection else connection.sock:close() end
  end
  while next(busy) do
    local readers, writers = {}, {}
    for sock, connection in pairs(busy) do
      readers[#readers + 1] = sock
      if connection.to_send ~= "" then writers[#writers + 1] = sock end
    end
    local readable, writable = socket.select(readers, writers)
    for _, sock in ipairs(writable) do flush(busy[sock]) end
    for _, sock in ipairs(readable) do
      local connection = busy[sock]
      local status, body = take_answer(connection)
      if status then
        on_answer(connection, status, body)
        connection.to_send = next_request(connection)
        if connection.to_send then
          flush(connection)
        else
          busy[sock] = nil
          sock:close()
        end
      end
    end
  end
end

-- --- the two passes ---

-- Every incident in order, by one connection; different incidents at the same time. Returns how many events were refused.
local function play(options, columns, incidents)
  local next_incident, refused = 0, 0
  local function next_request(connection)
    if not connection.incident or connection.number == #connection.incident.rows then
      next_incident = next_incident + 1
      connection.incident, connection.number = incidents[next_incident], 0
      if not connection.incident then return nil end
    end
    connection.number = connection.number + 1
    local bytes
    bytes, connection.expected = event_request(options, columns, connection.incident, connection.number)
    return bytes
  end
  run(options, next_request, function(connection, status, body)
    if status == connection.expected then return end
    local rows = 1
    if connection.number == 1 then -- not created: what is there, if anything, is another's
      rows = #connection.incident.rows
    end
    refused = refused + rows
    if refused <= 10 then
      io.stderr:write(("%s, row %d: %d %s\n"):format(connection.incident.id, connection.number, status, body))
    end
    connection.number = connection.number + rows - 1
  end)
  return refused
end

-- Compares each entity with the last row of its incident. Returns how many values differ.
local function compare(options, columns, incidents)
  local next_incident, differences = 0, 0
  local function differs(id, what, expected, found)
    differences = differences + 1
    if differences <= 10 then
      io.stderr:write(("%s: %s is %s, but the log ends with %s\n"):format(id, what, tostring(found), tostring(expected)))
    end
  end
  local function next_request(connection)
    next_incident = next_incident + 1
    connection.incident = incidents[next_incident]
    return connection.incident and request_bytes(options, "GET", "/v1/entities/incident/" .. connection.incident.id)
  end
  run(options, next_request, function(connection, status, body)
    local id, last = connection.incident.id, connection.incident.rows[#connection.incident.rows]
    if status ~= 200 then return differs(id, "the answer", 200, status) end
    local entity = json_read(body, 1)
    if entity.state ~= last.state then differs(id, "state", last.state, entity.state) end
    for _, column in ipairs(columns) do
      if entity.data[column] ~= last.data[column] then differs(id, column, last.data[column], entity.data[column]) end
    end
  end)
  return differences
end

local options = read_arguments(arg)
local incidents, columns, events = read_log(options.csv)
local data_columns = {}
for _, column in ipairs(columns) do
  if column ~= "number" and column ~= "incident_state" then data_columns[#data_columns + 1] = column end
end

local started = socket.gettime()
local refused = play(options, data_columns, incidents)
local seconds = socket.gettime() - started
local differences = compare(options, data_columns, incidents)

print(("%d events of %d incidents in %.2f s: %.0f events/s"):format(events, #incidents, seconds, events / seconds))
print(("%d refused, %d differences"):format(refused, differences))
os.exit(refused == 0 and differences == 0 and 0 or 1)
