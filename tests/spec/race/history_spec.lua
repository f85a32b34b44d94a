-- The checker of histories is checked itself: a good history passes, and each lie planted in it is found and named.
local history = require "tests.support.history"

-- One walk: made, moved to B, refused, moved to C by a call whose answer was lost and that was then repeated, patched,
-- moved to D. Beside it: a call that was lost for good, one that was turned away, two reads.
local function good()
  local calls, records = {}, {}

  local function record(call, success, from, to, version, code)
    records[#records + 1] = { machine = "walk", entity_id = "w", uuid = "audit-" .. #records + 1, sequence = #records + 1,
                              request_id = call.request_id, action = call.action, success = success, from_state = from,
                              to_state = to, version = version, error_code = code, hash = "hash-" .. #records + 1,
                              previous_hash = #records > 0 and records[#records].hash or ("0"):rep(64) }
    return records[#records]
  end

  -- each call takes a second, and they follow one another
  local function call(fields)
    fields.machine, fields.id, fields.client, fields.node = "walk", "w", 1, 1
    fields.request_id = "r" .. #calls + 1
    fields.invoked, fields.answered = #calls * 2.0, fields.status and #calls * 2.0 + 1
    calls[#calls + 1] = fields
    return fields
  end

  local function done(fields, from, to, version)
    fields.status = fields.status or 200
    local made = record(call(fields), true, from, to, version)
    fields.json = { audit_id = made.uuid, audit_sequence = made.sequence, audit_hash = made.hash, version = version, from = from, to = to }
    return made
  end

  done({ action = "create", status = 201 }, nil, "A", 1)
  done({ action = "transition", to = "B" }, "A", "B", 2)
  local refused = call { action = "transition", to = "A", status = 409 }
  local no = record(refused, false, "B", "A", 2, "invalid_transition")
  refused.json = { code = "invalid_transition", audit_id = no.uuid, audit_sequence = 3, audit_hash = no.hash, current_state = "B", current_version = 2 }
  local lost = call { action = "transition", to = "C", key = "k" }
  local moved = record(lost, true, "B", "C", 3)
  call { action = "transition", to = "C", key = "k", status = 200, json = { audit_id = moved.uuid, audit_sequence = 4, audit_hash = moved.hash,
                                                                         version = 3, from = "B", to = "C" } }
  call { action = "read", status = 200, json = { state = "C", version = 3 } }
  call { action = "transition", to = "A" }
  call { action = "transition", to = "A", status = 503, json = { code = "lock_unavailable", outcome = "not_executed" } }
  done({ action = "update" }, "C", "C", 4)
  done({ action = "transition", to = "D", key = "l" }, "C", "D", 5)
  call { action = "read", status = 200, json = { state = "D", version = 5 } }
  records.entity = { state = "D", version = 5, data = { n = 3 } }
  return calls, records
end

local function check(calls, records) return history.check(calls, { ["walk/w"] = records }, history.WAYS) end

-- A copy of the record at `place`, put behind the last one, as a chain would have it.
local function append(records, place, changes)
  local copy = setmetatable(changes, { __index = records[place] })
  copy.uuid, copy.sequence, copy.hash, copy.previous_hash = "audit-x", #records + 1, "hash-x", records[#records].hash
  records[#records + 1] = copy
end

local PLANTED = {
  { "garbled", "an answer that cannot be read", function(calls) calls[1].json = nil end },
  { "lost", "a success whose record is missing", function(_, records) table.remove(records) records.entity = nil end },
  { "lost", "a refusal whose record is missing", function(_, records) table.remove(records, 3) end },
  { "lost", "a repeated call with an audit record of its own", function(calls) calls[5].json.audit_id = "audit-2" end },
  { "differs", "an answer with another version", function(calls) calls[2].json.version = 3 end },
  { "differs", "an answer with another hash", function(calls) calls[2].json.audit_hash = "hash-9" end },
  { "differs", "an answer from another state", function(calls) calls[2].json.from = "D" end },
  { "differs", "an answer to another state", function(calls) calls[2].json.to = "C" end },
  { "differs", "a success that is recorded as a failure", function(_, records) records[6].success = false end },
  { "differs", "a refusal that is recorded as a success", function(_, records) records[3].success = true end },
  { "differs", "a refusal with another code", function(calls) calls[3].json.code = "guard_rejected" end },
  { "differs", "an entity that is not where its records end", function(_, records) records.entity.version = 6 end },
  { "differs", "an entity that lost an update", function(_, records) records.entity.data.n = 2 end },
  { "differs", "a read of what never was", function(calls) calls[6].json.state = "D" end },
  { "twice", "one request done twice", function(_, records) append(records, 6, { version = 6, from_state = "D" }) end },
  { "twice", "one key done twice", function(calls, records)
    append(records, 4, { request_id = calls[5].request_id, from_state = "D", version = 6 })
  end },
  { "uncaused", "a record that nobody asked for", function(_, records) append(records, 6, { request_id = "nobody" }) end },
  { "uncaused", "a record of another entity's call", function(calls) calls[2].id = "v" end },
  { "uncaused", "a record that went elsewhere than was asked", function(_, records) records[4].to_state = "D" end },
  { "denied", "a record of a call that was told that nothing happened", function(calls, records)
    append(records, 6, { request_id = calls[8].request_id, to_state = "A", from_state = "D", version = 6 })
  end },
  { "sequence", "a number left out", function(_, records) records[6].sequence = 7 end },
  { "chain", "a record that does not follow its predecessor", function(_, records) records[4].previous_hash = "hash-2" end },
  { "chain", "a first record that follows something", function(_, records) records[1].previous_hash = "hash-0" end },
  { "version", "a version left out", function(_, records) records[6].version = 6 end },
  { "version", "a version given twice", function(_, records) records[5].version = 3 end },
  { "version", "a refusal that changed the version", function(_, records) records[3].version = 3 end },
  { "state", "a change that begins elsewhere", function(_, records) records[4].from_state = "A" end },
  { "state", "a way that there is not", function(calls, records)
    records[2].to_state, records[3].from_state, records[4].from_state, calls[2].to = "D", "D", "D", "D"
  end },
  { "order", "a later version that was answered before the earlier was asked", function(calls) calls[2].invoked = 30 end },
  { "order", "a refusal that was answered before what it saw was asked", function(calls) calls[3].answered = 1 end },
  { "stale", "a read of what was known to be over", function(calls) calls[11].json = { state = "C", version = 3 } end },
  { "stale", "a read of what was not asked yet", function(calls) calls[6].json = { state = "D", version = 5 } end },
  { "stale", "a read behind another read", function(calls)
    calls[12] = setmetatable({ invoked = 40, answered = 41, request_id = "r12", json = { state = "C", version = 4 } }, { __index = calls[11] })
    calls[10].status, calls[10].answered = nil, nil
  end },
}

describe("a history", function()
  it("that is good passes, and its unknown calls are resolved", function()
    local violations, figures = check(good())
    assert.same({}, violations)
    assert.same({ calls = 11, done = 7, refused = 1, nothing = 1, unknown = 2, happened = 1, garbled = 0 }, figures)
  end)

  it("passes when what overlaps comes in any order", function()
    local calls, records = good()
    for _, call in ipairs(calls) do
      call.invoked, call.answered = 0, call.status and 100
    end
    assert.same({}, (check(calls, records)))
  end)

  it("passes when a locked-out call is tried again under its key", function()
    local calls, records = good()
    append(records, 6, { request_id = "r12", to_state = "A", from_state = "D", success = false, error_code = "lock_timeout" })
    calls[12] = { machine = "walk", id = "w", client = 2, node = 1, action = "transition", to = "A", request_id = "r12", key = "l",
                  invoked = 50, answered = 51, status = 423, json = { code = "lock_timeout", audit_id = "audit-x", audit_sequence = 7,
                                                                   audit_hash = "hash-x", current_state = "D", current_version = 5 } }
    assert.same({}, (check(calls, records)))
  end)

  for _, planted in ipairs(PLANTED) do
    it(("with %s is found out: %s"):format(planted[2], planted[1]), function()
      local calls, records = good()
      planted[3](calls, records)
      local found = table.concat((check(calls, records)), "\n")
      assert.truthy(("\n" .. found):find("\n" .. planted[1] .. ": ", 1, true), "found: " .. found)
    end)
  end
end)
