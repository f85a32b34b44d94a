-- Whether a history can be true: what clients saw, held against what the store says happened. It knows nothing of the
-- program but its contract. One pass over the records of each entity, oldest first; what it finds are sentences that
-- begin with a word of KINDS.
--
--   call     { machine, id, action = "transition" | "create" | "update" | "read", to, request_id, key, client, node,
--              invoked, answered, status, json }        no status: the connection broke, and nobody knows
--   records  the audit records of an entity as GET .../history lists them; `records.entity`: what GET says at the end;
--            `n` in its data, if it has one, counts its moves
local KINDS = {
  garbled  = "an answer that is not JSON",
  lost     = "an answer without its record: what was answered is not there",
  differs  = "an answer and its record, or the entity at the end, say different things",
  twice    = "a request, or an idempotency key, has more than one record",
  uncaused = "a record that no call asked for",
  denied   = "a record of a call whose answer said that nothing was done",
  sequence = "sequence numbers are not 1, 2, 3...",
  chain    = "a record does not hold its predecessor's hash",
  version  = "a change does not add one to the version, or something else does",
  state    = "a change does not begin where the last one ended, or goes a way that there is not",
  order    = "what was answered before another was asked comes after it",
  stale    = "a read saw less than was known before it, or what was not asked yet",
}

local Check = {}
Check.__index = Check

function Check:found(kind, format, ...)
  assert(KINDS[kind], kind)
  self.violations[#self.violations + 1] = ("%s: " .. format):format(kind, ...)
end

local function name_of(record) return ("record %d of %s/%s"):format(record.sequence, record.machine, record.entity_id) end
local function call_name(call) return ("%s (client %d, %s)"):format(call.request_id, call.client, call.to or call.action) end

-- --- what an answer says ---

-- "done" and "refused" have a record; "nothing" has none; "unknown" may have one, and so may "garbled".
local function outcome_of(call)
  if not call.status then return "unknown" end
  if type(call.json) ~= "table" then return "garbled" end
  local json = type(call.json) == "table" and call.json or {}
  if json.outcome == "unknown" then return "unknown" end
  if call.status < 300 then return "done" end
  return json.audit_id and "refused" or "nothing"
end

-- What is not kept under its key may be tried again, so it may leave a record each time (CONTRACT section 4).
local NOT_KEPT = { lock_timeout = true, policy_error = true }

-- Calls by request identifier, and those that must have one effect together: one key, or one request.
local function index(self, calls)
  self.by_request, self.groups, self.reads = {}, {}, {}
  for _, call in ipairs(calls) do
    call.outcome = outcome_of(call)
    self.figures[call.outcome] = self.figures[call.outcome] + 1
    if call.outcome == "garbled" then self:found("garbled", "%s was answered %d without JSON", call_name(call), call.status) end
    local entity = call.machine .. "/" .. call.id
    if call.action == "read" then
      self.reads[entity] = self.reads[entity] or {}
      table.insert(self.reads[entity], call)
    else
      local name = call.key or call.request_id
      local group = self.groups[name] or { name = name, calls = {}, records = 0 }
      group.calls[#group.calls + 1] = call
      self.groups[name], call.group = group, group
      self.by_request[call.request_id] = call
    end
  end
end

-- --- one record against the calls ---

-- The call that asked for it. One request has one record; one key has one record that was kept.
function Check:cause(record)
  local call = self.by_request[record.request_id]
  local asked = call and call.machine == record.machine and call.id == record.entity_id and call.action == record.action
    and (call.to == nil or call.to == record.to_state)
  if not asked then
    self:found("uncaused", "%s: nobody asked for %s to %s (request %s)", name_of(record), record.action,
      tostring(record.to_state), tostring(record.request_id))
    return nil
  end
  local group = call.group
  if call.record then
    self:found("twice", "%s: request %s did already make record %d", name_of(record), call.request_id, call.record.sequence)
  elseif not NOT_KEPT[record.error_code] then
    group.records = group.records + 1
    if group.records > 1 then self:found("twice", "%s: %s has %d records", name_of(record), group.name, group.records) end
  end
  call.record = record
  if call.outcome == "nothing" then
    self:found("denied", "%s: the answer to %s was %d %s, which means that nothing happened", name_of(record),
      call.request_id, call.status, tostring(call.json and call.json.code))
  elseif call.outcome == "unknown" then
    self.figures.happened = self.figures.happened + 1
  end
  return call
end

local function said(call)
  local json = call.json
  if call.outcome == "refused" then
    return { success = false, sequence = json.audit_sequence, hash = json.audit_hash, from_state = json.current_state,
             version = json.current_version, error_code = json.code }
  end
  return { success = true, sequence = json.audit_sequence, hash = json.audit_hash, version = json.version,
           from_state = json.from, to_state = json.to or json.state }
end

-- Every answer that names this record must say what it says. Returns when the first of them came.
function Check:answers(record, cause)
  local first = math.huge
  for _, call in ipairs(cause.group.calls) do
    local recorded = call.outcome == "done" or call.outcome == "refused"
    if recorded and call.json.audit_id == record.uuid then
      call.matched = true
      first = math.min(first, call.answered)
      for field, value in pairs(said(call)) do
        if value ~= record[field] then
          self:found("differs", "%s has %s %s, and the answer to %s %s", name_of(record), field, tostring(record[field]),
            call_name(call), tostring(value))
        end
      end
    end
  end
  return first
end

-- --- the pass ---

local function is_way(ways, machine, from, to)
  local known = ways and ways[machine]
  return not known or (known[from] or ""):find(to, 1, true) ~= nil
end

-- The entity as it was before the record must be what the record says it found, and becomes what it says it left.
function Check:step(entity, record)
  local before = ("%s, version %d"):format(tostring(entity.state), entity.version)
  if record.from_state ~= entity.state then
    self:found("state", "%s begins in %s, but the entity was in %s", name_of(record), tostring(record.from_state), before)
  end
  local stays = not record.success or (record.action == "transition" and record.version == entity.version
    and record.from_state == record.to_state) -- `idempotent`: a success without a change
  local expected = entity.version + (stays and 0 or 1)
  if record.version ~= expected then
    self:found("version", "%s has version %d; expected %d after %s", name_of(record), record.version, expected, before)
  end
  if record.success and not stays then
    if record.action == "transition" and not is_way(self.ways, record.machine, record.from_state, record.to_state) then
      self:found("state", "%s: there is no way from %s to %s", name_of(record), record.from_state, record.to_state)
    end
    entity.state, entity.version = record.to_state, record.version
    entity.moves = entity.moves + (record.action == "transition" and 1 or 0)
    return true
  end
end

-- `made`: version -> { asked, known, state }: when the change to it was asked for at the latest, and known at the earliest.
function Check:records(records)
  local entity, previous, latest = { version = 0, moves = 0 }, ("0"):rep(64), nil
  local made = { [0] = { asked = -math.huge, known = -math.huge } }
  for number, record in ipairs(records) do
    if record.sequence ~= number then self:found("sequence", "%s is number %d", name_of(record), number) end
    if record.previous_hash ~= previous then self:found("chain", "%s does not follow %s", name_of(record), previous) end
    previous = record.hash
    local cause = self:cause(record)
    local known = cause and self:answers(record, cause) or math.huge
    if latest and known < latest.invoked then
      self:found("order", "%s was answered %.6f s before %s was asked, which comes before it", name_of(record),
        latest.invoked - known, call_name(latest))
    end
    if cause and (not latest or cause.invoked > latest.invoked) then latest = cause end
    if self:step(entity, record) then
      made[record.version] = { asked = cause and cause.invoked or -math.huge, known = known, state = record.to_state }
    end
  end
  return entity, made
end

-- A read of version v: everything up to v was asked for before it ended, and nothing over v was known before it began.
function Check:seen(made, last, reads)
  table.sort(reads, function(a, b) return a.version > b.version end)
  local known, at = math.huge, last
  for _, read in ipairs(reads) do
    while at > read.version do
      known, at = math.min(known, made[at] and made[at].known or math.huge), at - 1
    end
    local change = made[read.version]
    if not change or change.state ~= read.json.state then
      self:found("differs", "%s saw version %d in %s, and the records do not have it", call_name(read), read.version, read.json.state)
    elseif change.asked > read.answered or known < read.invoked then
      self:found("stale", "%s saw version %d of %s/%s", call_name(read), read.version, read.machine, read.id)
    end
    if change and read.answered < change.known then change.known = read.answered end
  end
end

function Check:entity(name, records)
  local entity, made = self:records(records)
  local reads = {}
  for _, read in ipairs(self.reads[name] or {}) do
    if read.status == 200 then
      read.version = read.json.version
      reads[#reads + 1] = read
    end
  end
  self:seen(made, entity.version, reads)
  local final = records.entity
  if final and (final.state ~= entity.state or final.version ~= entity.version) then
    self:found("differs", "%s is %s, version %d, and its records end with %s, version %d", name, final.state, final.version,
      tostring(entity.state), entity.version)
  end
  if final and final.data.n and final.data.n ~= entity.moves then
    self:found("differs", "%s counts %d moves, and its records %d", name, final.data.n, entity.moves)
  end
end

-- `records_per_entity`: "machine/id" -> records. `ways`: machine -> state -> the states it leads to, in one string.
-- Returns what is wrong, as a list of sentences, and the figures: calls by outcome; `happened`: the unknown ones that did.
return function(calls, records_per_entity, ways)
  local self = setmetatable({ violations = {}, ways = ways }, Check)
  self.figures = { calls = #calls, done = 0, refused = 0, nothing = 0, unknown = 0, garbled = 0, happened = 0 }
  index(self, calls)
  for name, records in pairs(records_per_entity) do self:entity(name, records) end
  for _, call in ipairs(calls) do
    local recorded = call.action ~= "read" and (call.outcome == "done" or call.outcome == "refused")
    if recorded and not call.matched then
      self:found("lost", "%s was answered %d with audit_id %s, which is not there", call_name(call), call.status,
        tostring(call.json and call.json.audit_id))
    end
  end
  return self.violations, self.figures
end
