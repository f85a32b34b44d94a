-- Makes machines at random, as policy source: fields of all types, with defaults and limits; prepare, on_enter, on_exit
-- and effects that set, unset, copy and nest; transitions by verb, by state, from ["*"]; timers. With what fits them:
-- data for creations, merge patches, and attempts. The same seed gives the same machine and the same attempts.
local json = require "tests.support.json"

local random_machine = {}

local KEYS = { "alpha", "beta", "gamma", "delta", "phone", "password", "mail" }
local INNER = { "a", "b", "phone", "password", "ünï" }
local TEXTS = { "", "A", "b@c.example", "ünï ☃", "0123456789", "line\nbreak \"quoted\"", "LOW" }
local TYPES = { "string", "integer", "number", "boolean", "object", "array", "any", "datetime", "date", "duration" }

local function object(members) return setmetatable(members or {}, { __jsontype = "object" }) end

local Machine = {}
Machine.__index = Machine

function Machine:random(...) return self.draw(...) end
function Machine:chance(share) return self.draw(1000) <= share * 1000 end
function Machine:pick(list) return list[self.draw(#list)] end

-- --- values ---

function Machine:of_type(kind, depth)
  depth = depth or 0
  if kind == "string" then return self:pick(TEXTS) end
  if kind == "integer" then return self:pick { 0, 1, -7, 42, 1 << 40, (1 << 53) - 1 } end
  if kind == "number" then return self:pick { 0, 3, 2.5, -0.125, 1000000 } end
  if kind == "boolean" then return self:chance(0.5) end
  if kind == "datetime" then return self:pick { "2025-10-01T03:30:00Z", "2025-10-01T05:30:00+05:30", "1999-12-31T23:59:59.5Z" } end
  if kind == "date" then return self:pick { "2025-10-01", "2024-02-29" } end
  if kind == "duration" then return self:pick { "30d", "PT5M", "1h30m" } end
  if kind == "array" then
    local list = json.array {}
    for i = 1, self:random(0, 3) do list[i] = self:anything(depth + 1) end
    return list
  end
  if kind == "object" then
    local members = object()
    for _ = 1, self:random(0, 3) do members[self:pick(INNER)] = self:anything(depth + 1) end
    return members
  end
  return self:anything(depth)
end

function Machine:anything(depth)
  return self:of_type(self:pick(depth < 3 and { "string", "integer", "number", "boolean", "object", "array" } or { "string", "integer", "boolean" }), depth)
end

-- Mostly what fits the field of that name.
function Machine:value(key)
  local field = self.fields[key]
  if not field or self:chance(0.05) then return self:anything(0) end
  return field.enum and self:pick(field.enum) or self:of_type(field.type)
end

-- Now and then a key that a strict machine does not know.
function Machine:key() return self.strict and not self:chance(0.03) and self:pick(self.declared) or self:pick(KEYS) end

-- --- source ---

local function literal(value)
  if type(value) == "string" then return ("%q"):format(value):gsub("\\\n", "\\n") end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  if getmetatable(value).__jsontype == "array" then
    for i, item in ipairs(value) do parts[i] = literal(item) end
  else
    for key, item in pairs(value) do parts[#parts + 1] = ("[%s] = %s"):format(literal(key), literal(item)) end
    table.sort(parts)
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

-- One thing that `prepare` does to the data.
function Machine:statement()
  local key, other = literal(self:key()), literal(self:key())
  return self:pick {
    ("data[%s] = %s"):format(key, literal(self:value(key:sub(2, -2)))),
    ("data[%s] = nil"):format(key),
    ("if data[%s] ~= nil then data[%s] = data[%s] end"):format(other, key, other),
    ("if type(data[%s]) == 'string' then data[%s] = data[%s]:lower() end"):format(key, key, key),
    ("if math.type(data[%s]) == 'integer' then data[%s] = data[%s] // 2 end"):format(key, key, key),
    ("if type(data[%s]) == 'table' and #data[%s] == 0 then data[%s].a = ctx.to or 'none' end"):format(key, key, key),
    ("if type(data[%s]) == 'table' then data[%s].b = nil end"):format(key, key),
  }
end

function Machine:effect()
  local set, unset = {}, {}
  for _ = 1, self:random(0, 2) do
    local key = self:key()
    set[#set + 1] = ("[%s] = %s"):format(literal(key), self:pick {
      literal(self:value(key)), ("data[%s]"):format(literal(self:key())),
      ("(math.type(data[%s]) == 'integer' and data[%s] or 0) + 1"):format(literal(key), literal(key)),
    })
  end
  for _ = 1, self:random(0, 1) do unset[#unset + 1] = literal(self:key()) end
  return ("function(data, ctx) return { set = { %s }, unset = { %s } } end"):format(table.concat(set, ", "), table.concat(unset, ", "))
end

function Machine:field_source(name)
  local field, parts = self.fields[name], {}
  parts[1] = ("type = %q"):format(field.type)
  if field.enum then parts[#parts + 1] = "enum = " .. literal(json.array(field.enum)) end
  if field.default ~= nil then parts[#parts + 1] = "default = " .. literal(field.default) end
  return ("%s = { %s }"):format(name, table.concat(parts, ", "))
end

function Machine:transition_source(verb)
  local parts = { ("name = %q"):format(verb) }
  if self:chance(0.5) then parts[#parts + 1] = "effect = " .. self:effect() end
  if self:chance(0.2) then parts[#parts + 1] = "guard = function(data) return data.alpha ~= 42, 'not with 42' end" end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

function Machine:state_source(name)
  local to, parts = {}, {}
  for _, target in ipairs(self.states) do
    if target ~= name and self:chance(0.6) then
      self.verbs[#self.verbs + 1] = ("%s_%s"):format(name, target):lower()
      to[#to + 1] = ("%s = %s"):format(target, self:transition_source(self.verbs[#self.verbs]))
    end
  end
  parts[1] = ("to = { %s }"):format(table.concat(to, ", "))
  for _, moment in ipairs { "on_enter", "on_exit" } do
    if self:chance(0.4) then parts[#parts + 1] = moment .. " = " .. self:effect() end
  end
  if self:chance(0.1) then parts[#parts + 1] = ("after = { delay = '20ms', to = %q }"):format(self:pick(self.states)) end
  return ("%s = { %s }"):format(name, table.concat(parts, ", "))
end

function Machine:choose_fields()
  self.fields, self.declared = {}, {}
  for _, key in ipairs(KEYS) do
    if self:chance(0.6) then
      local field = { type = self:pick(TYPES) }
      if field.type == "string" and self:chance(0.3) then field.enum = { "LOW", "NORMAL", "HIGH" } end
      if self:chance(0.3) then field.default = field.enum and self:pick(field.enum) or self:of_type(field.type) end
      self.fields[key] = field
      self.declared[#self.declared + 1] = key
    end
  end
  self.strict = #self.declared > 2 and self:chance(0.3)
end

function Machine:write()
  local fields, states, statements = {}, {}, {}
  for i, name in ipairs(self.declared) do fields[i] = self:field_source(name) end
  for i, name in ipairs(self.states) do states[i] = self:state_source(name) end
  for i = 1, self:random(0, 3) do statements[i] = self:statement() end
  if self:chance(0.3) then
    states[#states + 1] = ('["*"] = { to = { %s = %s } }'):format(self.states[1], self:transition_source "anywhere")
    self.verbs[#self.verbs + 1] = "anywhere"
  end
  return ("return machine %q {\n  initial = %q, strict = %s,\n  fields = { %s },\n  %sstates = {\n    %s,\n  },\n}\n"):format(
    self.name, self.states[1], tostring(self.strict), table.concat(fields, ", "),
    #statements > 0 and ("prepare = function(data, ctx) %s return data end,\n  "):format(table.concat(statements, " ")) or "",
    table.concat(states, ",\n    "))
end

-- A generator of its own, so that nothing else draws from it (xorshift).
local function source_of_numbers(seed)
  local state = seed * 2654435761 + 88172645463325252
  return function(low, high)
    if not high then low, high = 1, low end
    state = state ~ (state << 13)
    state = state ~ (state >> 7)
    state = state ~ (state << 17)
    return low + (state >> 11) % (high - low + 1)
  end
end

-- A machine called `name`, with its `source`.
function random_machine.new(name, seed)
  local machine = setmetatable({ name = name, draw = source_of_numbers(seed), states = {}, verbs = {} }, Machine)
  for i = 1, machine:random(2, 5) do machine.states[i] = "S" .. i end
  machine:choose_fields()
  machine.source = machine:write()
  return machine
end

-- --- attempts ---

function Machine:data()
  local data = object()
  for _ = 1, self:random(0, 4) do
    local key = self:key()
    data[key] = self:value(key)
  end
  return data
end

-- As data, but members may be taken out, at any depth.
function Machine:patch()
  local function pierce(value)
    if getmetatable(value) and getmetatable(value).__jsontype == "object" then
      for key, item in pairs(value) do value[key] = self:chance(0.2) and json.null or pierce(item) end
    end
    return value
  end
  return pierce(self:data())
end

-- The body of a transition request.
function Machine:attempt()
  local body = { data = self:chance(0.5) and self:patch() or nil, options = self:chance(0.05) and { dry_run = true } or nil }
  if #self.verbs > 0 and self:chance(0.6) then body.transition = self:pick(self.verbs) else body.to = self:pick(self.states) end
  return body
end

return random_machine
