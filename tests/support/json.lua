-- JSON for the tests: integers stay integers, [] and {} stay apart, nulls are left out unless asked for.
local dkjson = require "dkjson"

local json = {}

json.null = setmetatable({}, { __tostring = function() return "null" end })

-- A list that is written as [] even when it is empty.
function json.array(items) return setmetatable(items or {}, { __jsontype = "array" }) end

-- `null`: what nulls become; nothing by default. Returns nil and a message for what is not JSON.
function json.decode(text, null)
  local value, _, problem = dkjson.decode(text, 1, null)
  if problem then return nil, problem end
  return value
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quote(text)
  return '"' .. text:gsub('[%z\1-\31"\\]', function(c) return ESCAPES[c] or ("\\u%04x"):format(c:byte()) end) .. '"'
end

-- The order of RFC 8785: by UTF-16 code units.
local function utf16(text)
  local units = {}
  for _, code in utf8.codes(text) do
    if code < 0x10000 then
      units[#units + 1] = string.pack(">I2", code)
    else
      units[#units + 1] = string.pack(">I2I2", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff))
    end
  end
  return table.concat(units)
end

-- Integers and short decimals; the tests use no others.
local function number(value)
  if math.type(value) == "integer" then return tostring(value) end
  if value == math.floor(value) and math.abs(value) < 2 ^ 53 then return ("%d"):format(value) end
  for digits = 1, 17 do
    local text = ("%." .. digits .. "g"):format(value)
    if tonumber(text) == value then return text end
  end
end

local function is_array(value)
  local meta = getmetatable(value)
  if meta and meta.__jsontype then return meta.__jsontype == "array" end
  return #value > 0
end

-- Canonical form (RFC 8785): keys sorted, no spaces.
function json.encode(value)
  if value == json.null then return "null" end
  if type(value) == "string" then return quote(value) end
  if type(value) == "number" then return number(value) end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  if is_array(value) then
    for i, item in ipairs(value) do parts[i] = json.encode(item) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = { key = key, order = utf16(key) } end
  table.sort(keys, function(a, b) return a.order < b.order end)
  for i, entry in ipairs(keys) do parts[i] = quote(entry.key) .. ":" .. json.encode(value[entry.key]) end
  return "{" .. table.concat(parts, ",") .. "}"
end

return json
