local ways = require "lib.ways"

local NOW = "2025-10-01T12:00:00Z"

local function punch_in(data)
  return decide { machine = "attendance", id = "a-1", action = "create", now = NOW,
                  data = ways.with({ people_id = 7, ctzoffset = 330, punch_in = "2025-10-01T09:00:00" }, data) }
end

local PUNCHED = { people_id = 7, ctzoffset = 330, punch_in = "2025-10-01T03:30:00Z", datefor = "2025-10-01" }

local function punch_out(patch, data)
  return decide { machine = "attendance", id = "a-1", state = "PUNCHED_IN", version = 1, transition = "punch_out",
                  now = NOW, data = data or PUNCHED, patch = patch }
end

local function error_of(decision, field)
  assert.equal("validation_failed", decision.code)
  return decision.errors[field]
end

describe("attendance", function()
  local WAYS = { PUNCHED_IN = "PUNCHED_OUT", PUNCHED_OUT = "" }
  for _, way in ipairs(ways.pairs(WAYS)) do
    it(("%s from %s to %s"):format(way.declared and "goes" or "does not go", way.from, way.to), function()
      local data = ways.with(PUNCHED, { punch_out = "2025-10-01T11:30:00Z" })
      local decision = decide { machine = "attendance", id = "a-1", state = way.from, version = 1, to = way.to,
                                now = NOW, data = data }
      assert.equal(way.declared, decision.allowed)
      if not way.declared then assert.equal("invalid_transition", decision.code) end
    end)
  end

  describe("normalisation", function()
    it("stores the local time as UTC", function()
      local decision = punch_in()
      assert.is_true(decision.allowed)
      assert.equal("PUNCHED_IN", decision.to)
      assert.equal("2025-10-01T03:30:00Z", decision.data.punch_in)
      assert.equal(330, decision.data.ctzoffset)
    end)

    it("holds for offsets west of UTC, odd ones and the extremes", function()
      local cases = {
        { -300, "2025-09-30T20:00:00", "2025-10-01T01:00:00Z" },
        { 123, "2025-10-01T09:00:00", "2025-10-01T06:57:00Z" },
        { -720, "2025-09-30T20:00:00", "2025-10-01T08:00:00Z" },
        { 840, "2025-10-01T23:00:00", "2025-10-01T09:00:00Z" },
        { 0, "2025-10-01T09:00:00.25", "2025-10-01T09:00:00.25Z" },
      }
      for _, case in ipairs(cases) do
        local decision = punch_in { ctzoffset = case[1], punch_in = case[2] }
        assert.is_true(decision.allowed)
        assert.equal(case[3], decision.data.punch_in)
      end
    end)

    it("does not shift a time that is UTC already", function()
      assert.equal("2025-10-01T03:30:00Z", punch_in({ punch_in = "2025-10-01T03:30:00Z" }).data.punch_in)
    end)

    it("does not shift a time that says its own offset", function()
      assert.equal("2025-10-01T04:00:00Z", punch_in({ punch_in = "2025-10-01T09:00:00+05:00" }).data.punch_in)
    end)

    it("does not shift the punch in again when the punch out comes", function()
      local decision = punch_out { punch_out = "2025-10-01T17:00:00" }
      assert.is_true(decision.allowed)
      assert.equal("PUNCHED_OUT", decision.to)
      assert.equal("2025-10-01T03:30:00Z", decision.data.punch_in)
      assert.equal("2025-10-01T11:30:00Z", decision.data.punch_out)
    end)

    it("takes the local date for the working day when none is given", function()
      assert.equal("2025-10-01", punch_in().data.datefor)
      assert.equal("2025-09-30", punch_in({ ctzoffset = -300, punch_in = "2025-09-30T20:00:00" }).data.datefor)
    end)
  end)

  describe("the offset", function()
    it("must be there", function()
      local decision = punch_in { ctzoffset = false }
      assert.is_not_nil(error_of(decision, "ctzoffset"))
      assert.is_nil(error_of(decision, "punch_in"))
    end)

    it("must be whole minutes from -720 to 840", function()
      for _, offset in ipairs { -721, 841, 330.5, "330", true } do
        local decision = punch_in { ctzoffset = offset }
        assert.is_not_nil(error_of(decision, "ctzoffset"))
        assert.is_nil(error_of(decision, "punch_in"))
      end
    end)
  end)

  describe("the punch in", function()
    it("must be there", function()
      assert.is_not_nil(error_of(punch_in { punch_in = false }, "punch_in"))
    end)

    it("must be a date and time", function()
      for _, value in ipairs { "", "yesterday", "2025-10-01", "2025-02-30T09:00:00", 20251001, true } do
        assert.equal("must be a local date and time such as 2025-10-01T09:00:00",
          error_of(punch_in { punch_in = value }, "punch_in"))
      end
    end)

    it("must be one wherever the clock hangs, and is named beside a wrong offset", function()
      for _, offset in ipairs { false, 841, "330" } do
        local decision = punch_in { ctzoffset = offset, punch_in = "yesterday", punch_out = 5 }
        for _, field in ipairs { "ctzoffset", "punch_in", "punch_out" } do assert.is_not_nil(error_of(decision, field), field) end
      end
    end)

    it("may be five minutes in the future, not more", function()
      assert.is_true(punch_in({ punch_in = "2025-10-01T17:35:00" }).allowed)
      assert.equal("must not be in the future", error_of(punch_in { punch_in = "2025-10-01T17:35:01" }, "punch_in"))
    end)
  end)

  describe("the punch out", function()
    it("must be there to punch out", function()
      local decision = punch_out {}
      assert.equal("guard_rejected", decision.code)
      assert.same({ "Cannot punch out without a punch_out time" }, decision.messages)
    end)

    it("must be a date and time", function()
      assert.is_not_nil(error_of(punch_out { punch_out = "17:00" }, "punch_out"))
    end)

    it("may be five minutes in the future, not more", function()
      assert.is_true(punch_out({ punch_out = "2025-10-01T17:35:00" }).allowed)
      assert.equal("must not be in the future", error_of(punch_out { punch_out = "2025-10-01T17:35:01" }, "punch_out"))
    end)

    it("must be after the punch in", function()
      for _, value in ipairs { "2025-10-01T09:00:00", "2025-10-01T08:59:59" } do
        assert.equal("must be after punch_in", error_of(punch_out { punch_out = value }, "punch_out"))
      end
    end)

    it("must be within 24 hours of the punch in", function()
      local yesterday = ways.with(PUNCHED, { punch_in = "2025-09-30T03:30:00Z", datefor = "2025-09-30" })
      assert.is_true(punch_out({ punch_out = "2025-10-01T09:00:00" }, yesterday).allowed)
      assert.equal("must be within 24 hours of punch_in",
        error_of(punch_out({ punch_out = "2025-10-01T09:00:01" }, yesterday), "punch_out"))
    end)
  end)

  describe("the working day", function()
    it("may be the local date, the day before or the day after", function()
      for _, day in ipairs { "2025-09-30", "2025-10-01", "2025-10-02" } do
        assert.is_true(punch_in({ datefor = day }).allowed)
      end
    end)

    it("may not be further away", function()
      for _, day in ipairs { "2025-09-29", "2025-10-03" } do
        assert.equal("must be within one day of the local date of punch_in", error_of(punch_in { datefor = day }, "datefor"))
      end
    end)

    it("goes by the local date, not by that of UTC", function()
      local early = { punch_in = "2025-10-01T02:00:00" } -- 20:30 on 30 September, UTC
      assert.is_true(punch_in(ways.with(early, { datefor = "2025-10-02" })).allowed)
      assert.is_not_nil(error_of(punch_in(ways.with(early, { datefor = "2025-09-29" })), "datefor"))
    end)

    it("must be a date", function()
      for _, day in ipairs { "01-10-2025", "2025-02-30", 7 } do
        assert.is_not_nil(error_of(punch_in { datefor = day }, "datefor"))
      end
    end)
  end)

  describe("the zone", function()
    local function in_zone(zone, punch, more)
      return punch_in(ways.with({ ctzoffset = false, zone = zone, punch_in = punch }, more))
    end

    it("takes the place of the offset", function()
      for _, case in ipairs {
        { "Europe/Berlin", "2025-07-01T09:00:00", "2025-07-01T07:00:00Z" },
        { "Europe/Berlin", "2025-01-15T09:00:00", "2025-01-15T08:00:00Z" },
        { "Asia/Kolkata", "2025-10-01T09:00:00", "2025-10-01T03:30:00Z" },
        { "America/St_Johns", "2025-07-01T09:00:00", "2025-07-01T11:30:00Z" },
        { "UTC", "2025-10-01T09:00:00", "2025-10-01T09:00:00Z" },
      } do
        local decision = in_zone(case[1], case[2])
        assert.is_true(decision.allowed)
        assert.equal(case[3], decision.data.punch_in)
        assert.equal(case[1], decision.data.zone)
        assert.is_nil(decision.data.ctzoffset)
      end
    end)

    it("or the offset must be there, not both", function()
      assert.is_not_nil(error_of(in_zone(false, "2025-10-01T09:00:00"), "ctzoffset"))
      assert.equal("must not be there when ctzoffset is: send one of the two",
        error_of(punch_in { zone = "Asia/Kolkata" }, "zone"))
    end)

    it("must be one of the tz database, and is told the nearest", function()
      local decision = in_zone("Europe/Berln", "2025-10-01T09:00:00")
      assert.truthy(error_of(decision, "zone"):find("did you mean 'Europe/Berlin'?", 1, true))
      assert.truthy(error_of(decision, "zone"):find('^"Europe/Berln" is not a zone'))
      assert.is_nil(decision.errors.punch_in)
      assert.is_nil(decision.errors.ctzoffset)
      for _, zone in ipairs { "", "CEST", "europe/berlin", "../../etc/passwd", "right/UTC", 60, true } do
        assert.is_not_nil(error_of(in_zone(zone, "2025-10-01T09:00:00"), "zone"))
      end
    end)

    it("says what the local date of the punch in is", function()
      assert.equal("2025-07-01", in_zone("Pacific/Auckland", "2025-07-01T00:30:00").data.datefor)
      assert.equal("2025-06-30", in_zone("Pacific/Auckland", "2025-06-30T12:00:00Z", { zone = "UTC" }).data.datefor)
      assert.equal("2025-07-01", in_zone("Pacific/Auckland", "2025-06-30T12:00:00Z").data.datefor)
      local decision = in_zone("Pacific/Auckland", "2025-07-01T00:30:00", { datefor = "2025-06-29" })
      assert.equal("must be within one day of the local date of punch_in", error_of(decision, "datefor"))
    end)

    it("still refuses what is no date and time", function()
      assert.is_not_nil(error_of(in_zone("Europe/Berlin", "yesterday"), "punch_in"))
      assert.equal("must not be in the future", error_of(in_zone("Europe/Berlin", "2025-10-01T14:05:01"), "punch_in"))
    end)
  end)

  describe("in the nights when clocks change", function()
    local function night(punched_in, punched_out)
      local stored = { people_id = 7, zone = "Europe/Berlin", punch_in = punched_in, datefor = "2025-03-29" }
      if punched_in:find("10%-2") then stored.datefor = "2025-10-25" end
      return decide { machine = "attendance", id = "a-1", state = "PUNCHED_IN", version = 1, transition = "punch_out",
                      now = "2025-11-01T12:00:00Z", data = stored, patch = { punch_out = punched_out } }
    end

    it("a shift that is an hour shorter ends when it did", function()
      local decision = night("2025-03-29T21:00:00Z", "2025-03-30T06:00:00")
      assert.equal("2025-03-30T04:00:00Z", decision.data.punch_out) -- 22:00 CET to 06:00 CEST: seven hours
    end)

    it("a shift that is an hour longer ends when it did", function()
      assert.equal("2025-10-26T05:00:00Z", night("2025-10-25T20:00:00Z", "2025-10-26T06:00:00").data.punch_out)
    end)

    it("a day that has 25 hours is one hour too long", function()
      assert.equal("must be within 24 hours of punch_in",
        error_of(night("2025-10-25T20:00:00Z", "2025-10-26T22:00:00"), "punch_out"))
      assert.is_true(night("2025-10-25T20:00:00Z", "2025-10-26T21:00:00").allowed)
    end)

    it("a time that comes twice is the first of the two after the punch in", function()
      assert.equal("2025-10-26T00:15:00Z", night("2025-10-25T20:00:00Z", "2025-10-26T02:15:00").data.punch_out)
      assert.equal("2025-10-26T01:15:00Z", night("2025-10-26T00:45:00Z", "2025-10-26T02:15:00").data.punch_out)
      assert.equal("must be after punch_in", error_of(night("2025-10-26T01:45:00Z", "2025-10-26T02:15:00"), "punch_out"))
    end)

    it("a time that is skipped is the one an hour later", function()
      assert.equal("2025-03-30T01:30:00Z", night("2025-03-29T21:00:00Z", "2025-03-30T02:30:00").data.punch_out)
    end)
  end)

  it("names everything that is wrong at once", function()
    local decision = decide { machine = "attendance", id = "a-1", action = "create", now = NOW,
                              data = { ctzoffset = 330, punch_in = "x", punch_out = "y", datefor = "z" } }
    assert.equal("validation_failed", decision.code)
    assert.is_not_nil(decision.errors.punch_in)
    assert.is_not_nil(decision.errors.punch_out)
    assert.is_not_nil(decision.errors.datefor)
  end)

  it("checks a correction like a new punch", function()
    local decision = decide { machine = "attendance", id = "a-1", state = "PUNCHED_OUT", version = 2, action = "update",
                              now = NOW, data = ways.with(PUNCHED, { punch_out = "2025-10-01T11:30:00Z" }),
                              patch = { punch_out = "2025-10-01T08:00:00" } }
    assert.equal("must be after punch_in", error_of(decision, "punch_out"))
  end)

  it("stays the attendance of the same person", function()
    local decision = decide { machine = "attendance", id = "a-1", action = "update", state = "PUNCHED_IN", version = 1,
                              data = PUNCHED, patch = { people_id = 8 }, now = NOW }
    assert.equal("is set at creation and cannot be changed", error_of(decision, "people_id"))
  end)
end)
