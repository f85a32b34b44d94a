local http   = require "tests.support.http"
local server = require "tests.support.server"

local NAMES = {
  [-720] = "BIT", [-660] = "SST", [-600] = "HST", [-540] = "AKST", [-480] = "PST", [-420] = "MST", [-360] = "CST",
  [-300] = "EST", [-240] = "AST", [-180] = "ART", [-120] = "BRT", [-60] = "AZOT", [0] = "UTC", [60] = "CET", [120] = "EET",
  [180] = "MSK", [210] = "IRST", [240] = "GST", [270] = "AFT", [300] = "PKT", [330] = "IST", [345] = "NPT", [360] = "BST",
  [390] = "MMT", [420] = "ICT", [480] = "CST", [540] = "JST", [570] = "ACST", [600] = "AEST", [660] = "SBT", [720] = "NZST",
  [780] = "TOT", [840] = "LINT",
}

describe("time", function()
  local statute

  setup(function()
    statute = server.start { policies = { ["any.lua"] = [[ return machine "any" { initial = "A", states = { A = { final = true } } } ]] } }
  end)
  teardown(function() statute:stop() end)

  local function ask(what, request) return statute.client:post("/v1/time/" .. what, request) end

  describe("normalize", function()
    it("takes a naive local datetime to UTC by its offset", function()
      for _, case in ipairs {
        { "2025-10-01T09:00:00", 330, "2025-10-01T03:30:00Z" }, { "2025-10-01 09:00:00", 330, "2025-10-01T03:30:00Z" },
        { "2025-10-01T09:00", 0, "2025-10-01T09:00:00Z" }, { "2025-01-01T00:00:00", 840, "2024-12-31T10:00:00Z" },
        { "2024-12-31T12:00:00", -720, "2025-01-01T00:00:00Z" }, { "2024-02-29T23:59:59.25", -1, "2024-03-01T00:00:59.25Z" },
      } do
        local answer = http.expect(ask("normalize", { datetime = case[1], offset_minutes = case[2] }), 200)
        assert.equal(case[3], answer.utc)
        assert.equal(case[2], answer.offset_minutes)
      end
    end)

    it("knows the zones of the tz database", function()
      for _, case in ipairs {
        { "2025-07-01T12:00:00", "Europe/Berlin", "2025-07-01T10:00:00Z", 120 },
        { "2025-01-01T12:00:00", "Europe/Berlin", "2025-01-01T11:00:00Z", 60 },
        { "2025-01-01T12:00:00", "Asia/Kolkata", "2025-01-01T06:30:00Z", 330 },
        { "2025-07-01T12:00:00", "America/New_York", "2025-07-01T16:00:00Z", -240 },
        { "2060-07-01T12:00:00", "America/New_York", "2060-07-01T16:00:00Z", -240 },
      } do
        local answer = http.expect(ask("normalize", { datetime = case[1], zone = case[2] }), 200)
        assert.equal(case[3], answer.utc)
        assert.equal(case[4], answer.offset_minutes)
      end
    end)

    it("decides gaps and folds as asked", function()
      local gap, fold = "2025-03-30T02:30:00", "2025-10-26T02:30:00"
      for _, case in ipairs {
        { gap, nil, "2025-03-30T01:30:00Z" }, { gap, "compatible", "2025-03-30T01:30:00Z" },
        { gap, "later", "2025-03-30T01:30:00Z" }, { gap, "earlier", "2025-03-30T00:30:00Z" },
        { fold, nil, "2025-10-26T00:30:00Z" }, { fold, "compatible", "2025-10-26T00:30:00Z" },
        { fold, "earlier", "2025-10-26T00:30:00Z" }, { fold, "later", "2025-10-26T01:30:00Z" },
      } do
        local request = { datetime = case[1], zone = "Europe/Berlin", disambiguate = case[2] }
        assert.equal(case[3], http.expect(ask("normalize", request), 200).utc)
      end
      for _, datetime in ipairs { gap, fold } do
        local answer = ask("normalize", { datetime = datetime, zone = "Europe/Berlin", disambiguate = "reject" })
        local why = http.expect(answer, 422, "validation_failed").errors.datetime
        assert.truthy(why:find(datetime, 1, true))
      end
    end)

    it("refuses what is no local datetime, no offset, no zone", function()
      for _, request in ipairs {
        { datetime = "2025-10-01T09:00:00Z", offset_minutes = 0 }, { datetime = "2025-02-30T09:00:00", offset_minutes = 0 },
        { datetime = "now", offset_minutes = 0 }, { datetime = "2025-10-01T24:00:00", offset_minutes = 0 },
        { datetime = "2025-10-01T09:00:00", offset_minutes = 841 }, { datetime = "2025-10-01T09:00:00", offset_minutes = -721 },
        { datetime = "2025-10-01T09:00:00", offset_minutes = "330" }, { datetime = "2025-10-01T09:00:00", offset_minutes = 330.5 },
        { datetime = "2025-10-01T09:00:00", zone = "Mars/Olympus" }, { datetime = "2025-10-01T09:00:00", zone = "../../etc/passwd" },
        { datetime = "2025-10-01T09:00:00" }, { offset_minutes = 0 }, { datetime = 1, offset_minutes = 0 },
        { datetime = "2025-10-01T09:00:00", zone = "Europe/Berlin", offset_minutes = 60 },
        { datetime = "2025-10-01T09:00:00", zone = "Europe/Berlin", disambiguate = "whatever" },
      } do
        local answer = ask("normalize", request)
        assert.is_true(answer.status == 400 or answer.status == 422, require("tests.support.json").encode(request) .. " " .. answer.body)
        assert.is_string(answer.json.code)
      end
    end)
  end)

  describe("denormalize", function()
    it("shows an instant as a local clock does", function()
      local answer = http.expect(ask("denormalize", { utc = "2025-10-01T03:30:00Z", offset_minutes = 330 }), 200)
      assert.truthy(answer.datetime:find("^2025%-10%-01T09:00:00"))
      assert.equal(330, answer.offset_minutes)
    end)

    it("names the zone and its abbreviation", function()
      local answer = http.expect(ask("denormalize", { utc = "2025-07-01T10:00:00Z", zone = "Europe/Berlin" }), 200)
      assert.truthy(answer.datetime:find("^2025%-07%-01T12:00:00"))
      assert.equal(120, answer.offset_minutes)
      assert.equal("Europe/Berlin", answer.zone)
      assert.equal("CEST", answer.abbreviation)
    end)

    it("is the inverse of normalize for every offset", function()
      local requests = {}
      for offset = -720, 840, 13 do
        requests[#requests + 1] = { method = "POST", path = "/v1/time/denormalize",
                                    body = { utc = "2025-03-01T00:00:00Z", offset_minutes = offset } }
      end
      for _, answer in ipairs(http.parallel(statute.port, requests, 2)) do
        local shown = http.expect(answer, 200)
        local back = ask("normalize", { datetime = shown.datetime:sub(1, 19), offset_minutes = shown.offset_minutes })
        assert.equal("2025-03-01T00:00:00Z", http.expect(back, 200).utc)
      end
    end)
  end)

  describe("parse", function()
    it("reads RFC 3339", function()
      local answer = http.expect(ask("parse", { datetime = "2025-10-01T09:00:00+05:30" }), 200)
      assert.equal("2025-10-01T03:30:00Z", answer.utc)
      assert.equal(330, answer.offset_minutes)
      assert.equal("2025-10-01T09:00:00.5Z", http.expect(ask("parse", { datetime = "2025-10-01T09:00:00.500Z" }), 200).utc)
    end)

    it("needs an offset", function()
      local answer = ask("parse", { datetime = "2025-10-01T09:00:00" })
      assert.is_true(answer.status == 400 or answer.status == 422, answer.body)
    end)
  end)

  describe("offsets", function()
    local function offset(n) return http.expect(statute.client:get("/v1/time/offsets/" .. n), 200) end

    it("have the 33 names of the contract", function()
      local count = 0
      for minutes, name in pairs(NAMES) do
        count = count + 1
        local info = offset(minutes)
        local sign, magnitude = minutes < 0 and "-" or "+", math.abs(minutes)
        assert.equal(("%s (UTC%s%d:%02d)"):format(name, sign, magnitude // 60, magnitude % 60), info.name)
        assert.equal(minutes, info.offset_minutes)
        assert.equal(minutes / 60, info.offset_hours)
        assert.is_true(info.is_valid)
        assert.equal(("UTC%s%02d:%02d"):format(sign, magnitude // 60, magnitude % 60), info.utc_offset_string)
      end
      assert.equal(33, count)
    end)

    it("have a plain name when they are odd", function()
      assert.equal("UTC+02:03", offset(123).name)
      assert.equal("UTC-02:03", offset(-123).name)
      assert.is_true(offset(123).is_valid)
    end)

    it("may be invalid", function()
      for _, minutes in ipairs { -721, 841, 100000 } do
        local info = offset(minutes)
        assert.equal("Invalid", info.name)
        assert.is_false(info.is_valid)
      end
    end)
  end)

  it("zone names that are not are told the nearest", function()
    for _, zone in ipairs { "Europe/Berln", "europe/berlin", "Berlin" } do
      for what, request in pairs { normalize = { datetime = "2025-07-01T12:00:00", zone = zone },
                                   denormalize = { utc = "2025-07-01T12:00:00Z", zone = zone } } do
        local why = http.expect(ask(what, request), 422, "validation_failed").errors.zone
        assert.truthy(why:find('"' .. zone .. '" is not a zone', 1, true))
        assert.truthy(why:find("did you mean 'Europe/Berlin'?", 1, true))
      end
    end
  end)

  it("every listed zone goes there and back", function()
    local requests, zones = {}, statute.client:get("/v1/time/zones").json.zones
    for i, zone in ipairs(zones) do
      requests[i] = { method = "POST", path = "/v1/time/denormalize", body = { utc = "2025-03-30T01:30:00Z", zone = zone } }
    end
    local backs = {}
    for i, answer in ipairs(http.parallel(statute.port, requests, 4)) do
      local shown = http.expect(answer, 200)
      assert.equal(zones[i], shown.zone)
      assert.equal("2025-03-30T01:30:00Z", http.expect(ask("parse", { datetime = shown.datetime }), 200).utc)
      backs[i] = { method = "POST", path = "/v1/time/normalize", body = { datetime = shown.datetime:sub(1, 19), zone = zones[i] } }
    end
    for i, answer in ipairs(http.parallel(statute.port, backs, 4)) do
      assert.equal("2025-03-30T01:30:00Z", http.expect(answer, 200).utc, zones[i])
    end
  end)

  it("the version of the tz database is that of the system", function()
    local file <close> = assert(io.open("/usr/share/zoneinfo/tzdata.zi"))
    local version = file:read("l"):match("^# version (%S+)$")
    assert.equal(version, http.expect(statute.client:get("/version"), 200).tzdata)
  end)

  it("zones are listed", function()
    local answer = statute.client:get("/v1/time/zones")
    http.expect(answer, 200)
    for _, zone in ipairs { "Europe/Berlin", "Asia/Kolkata", "America/New_York", "UTC" } do
      assert.truthy(answer.body:find('"' .. zone .. '"', 1, true), zone)
    end
  end)
end)
