-- Punching in and out. Apps send the naive local time of the client's clock and the clock's offset from
-- UTC (`ctzoffset`); what is stored is UTC. A time that already says its offset is not shifted again.
local instants = require "lib.instants"

local TOLERANCE     = "5m" -- clocks of clients run ahead
local LONGEST_HOURS = 24
local DAY          = 24 * instants.HOUR

local PUNCHES = { "punch_in", "punch_out" }

-- Local times become UTC; what cannot be read is left for `validate` to name.
local function prepare(record)
  for _, field in ipairs(PUNCHES) do
    local instant = instants.read(record[field]) or instants.of_local(record[field], record.ctzoffset)
    if instant then record[field] = time.format(instant) end
  end
  local punched_in = instants.read(record.punch_in)
  if punched_in and record.datefor == nil and time.valid_offset(record.ctzoffset) then
    record.datefor = time.date(punched_in, record.ctzoffset)
  end
  return record
end

-- What is wrong with one punch, or nil. Without a valid offset a local time cannot be judged: `ctzoffset` is
-- then the field with the error.
local function punch_error(value, offset_minutes)
  if value == nil then return nil end
  local instant = instants.read(value)
  if instant then
    return not time.not_future(instant, TOLERANCE) and "must not be in the future" or nil
  end
  if type(value) ~= "string" or time.valid_offset(offset_minutes) then
    return "must be a local date and time such as 2025-10-01T09:00:00"
  end
end

local function order_error(record)
  local punched_in, punched_out = instants.read(record.punch_in), instants.read(record.punch_out)
  if not punched_in or not punched_out then return nil end
  if punched_out <= punched_in then return "must be after punch_in" end
  if punched_out - punched_in > LONGEST_HOURS * instants.HOUR then
    return ("must be within %d hours of punch_in"):format(LONGEST_HOURS)
  end
end

local function day_error(record)
  local punched_in, day = instants.read(record.punch_in), instants.of_date(record.datefor)
  if not punched_in or not day or not time.valid_offset(record.ctzoffset) then return nil end
  local local_day = instants.of_date(time.date(punched_in, record.ctzoffset))
  if math.abs(day - local_day) > DAY then return "must be within one day of the local date of punch_in" end
end

local function validate(record)
  return {
    punch_in  = punch_error(record.punch_in, record.ctzoffset),
    punch_out = punch_error(record.punch_out, record.ctzoffset) or order_error(record),
    datefor   = day_error(record),
  }
end

local function has_punch_out(record)
  return record.punch_out ~= nil, "Cannot punch out without a punch_out time"
end

return machine "attendance" {
  doc     = "One attendance of one person: punched in, then out.",
  initial = "PUNCHED_IN",

  fields = {
    people_id = { type = "any", doc = "who" },
    ctzoffset = { type = "integer", min = -720, max = 840, required = true,
                  doc = "minutes east of UTC of the clock that shows the local times" },
    punch_in  = { type = "any", required = true, doc = "local datetime, stored as UTC" },
    punch_out = { type = "any", doc = "local datetime, stored as UTC" },
    datefor   = { type = "date", doc = "the working day; the local date of punch_in if absent" },
  },

  prepare  = prepare,
  validate = validate,

  states = {
    PUNCHED_IN  = { doc = "At work.", to = { PUNCHED_OUT = { name = "punch_out" } } },
    PUNCHED_OUT = { doc = "Gone home.", final = true, require = has_punch_out },
  },
}
