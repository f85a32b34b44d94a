-- What the policy language promises beyond single machines: purity, order, ctx, time. Asked through `statute eval`.
local json     = require "tests.support.json"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

describe("the policy language", function()
  local directory

  before_each(function() directory = policies.temporary() end)
  after_each(function() policies.remove(directory) end)

  -- The message with which a guard with this body refuses; `more` goes into the request.
  local function said(body, more)
    local folder = policies.write({ ["m.lua"] = ([[
local function answer(data, ctx)
  %s
end
return {
  machine "m" { initial = "A", states = { A = { to = { B = { guard = function(data, ctx) return false, tostring(answer(data, ctx)) end } } }, B = {} } },
  machine "other" { initial = "X", states = { X = { to = { Y = true } }, Y = {} } },
}
]]):format(body) }, directory .. "/policies")
    local request = { machine = "m", id = "m-1", state = "A", version = 7, data = {}, to = "B", now = "2025-10-01T09:00:00.25Z" }
    for key, value in pairs(more or {}) do request[key] = value end
    local _, out, err = server.statute({ "eval", "--policies", folder }, json.encode(request))
    local decision = assert(json.decode(out), err)
    return decision.messages and decision.messages[1] or decision.message, decision
  end

  it("goes through tables in the order of their keys", function()
    assert.equal("a b c d e f g z ", said([[
      local text = ""
      for key in pairs { z = 1, c = 1, a = 1, g = 1, b = 1, f = 1, e = 1, d = 1 } do text = text .. key .. " " end
      return text]]))
    assert.equal("1 2 3 a b ", said([[
      local text = ""
      for key in pairs { "x", "y", "z", b = 1, a = 1 } do text = text .. tostring(key) .. " " end
      return text]]))
    assert.equal("a b c ", said("local t = '' for k in pairs(data) do t = t .. k .. ' ' end return t", { data = { c = 1, a = 1, b = 1 } }))
  end)

  it("shows no addresses", function()
    for _, value in ipairs { "{}", "function() end", "print", "string.rep", "ctx.find", "pairs" } do
      assert.equal("nil", said("return tostring(rawequal)")) -- not there at all
      local text = said(("local ok, v = pcall(function() return tostring(%s) end) return v"):format(value))
      assert.is_nil(text:find("0x", 1, true), text)
    end
    assert.is_nil(said("return ('%s'):format({})"):find("0x", 1, true))
    local pointer = said("return ('%p'):format({})")
    assert.is_nil(pointer:find("0x", 1, true), pointer)
  end)

  it("has what the contract lists, and nothing else", function()
    for name in ("machine roles pii access webhooks require string table math utf8 pairs ipairs next type tostring tonumber select " ..
                 "error assert pcall time"):gmatch("%S+") do
      assert.not_equal("nil", said(("return type(%s)"):format(name)), name)
      assert.is_nil(said(("return type(%s)"):format(name)):find("unknown", 1, true), name)
    end
    for name in ("io os debug load loadstring dofile loadfile coroutine package collectgarbage setmetatable getmetatable rawset " ..
                 "xpcall math.random math.randomseed string.dump _G print"):gmatch("%S+") do
      local text = said(("local ok, v = pcall(function() return type(%s) end) return ok and v or 'nil'"):format(name))
      assert.equal("nil", text, name)
    end
  end)

  it("gives ctx everything that the contract names", function()
    local request = { actor = { id = "ann", roles = { "r" }, permissions = { "p" }, attributes = { level = 3 } }, reason = "api",
                      comments = "Hm.", metadata = { app = "x" }, patch = { n = 1 } }
    local asked = {
      ["ctx.now"] = "1759309200250000", ["ctx.machine"] = "m", ["ctx.id"] = "m-1", ["ctx.version"] = "7", ["ctx.from"] = "A",
      ["ctx.to"] = "B", ["ctx.reason"] = "api", ["ctx.comments"] = "Hm.", ["ctx.metadata.app"] = "x", ["ctx.patch.n"] = "1",
      ["ctx.dry_run"] = "false", ["ctx.actor.id"] = "ann", ["ctx.actor.roles[1]"] = "r", ["ctx.actor.permissions[1]"] = "p",
      ["ctx.actor.attributes.level"] = "3", ["data.n"] = "1",
    }
    for expression, expected in pairs(asked) do assert.equal(expected, said("return " .. expression, request), expression) end
    for _, expression in ipairs { "ctx.actor", "ctx.comments" } do assert.equal("nil", said("return " .. expression), expression) end
  end)

  it("finds and counts", function()
    local entities = {}
    for i = 1, 5 do
      entities[i] = { machine = "other", id = "o" .. i, state = i > 3 and "Y" or "X", data = { n = i, kind = i % 2 == 0 and "even" or "odd" } }
    end
    local asked = {
      ["ctx:find('other', 'o2').data.n"] = "2", ["ctx:find('other', 'o5').state"] = "Y", ["ctx:find('other', 'none')"] = "nil",
      ["ctx:count { machine = 'other' }"] = "5", ["ctx:count { machine = 'other', state = 'X' }"] = "3",
      ["ctx:count { machine = 'other', state = { 'X', 'Y' } }"] = "5", ["ctx:count { machine = 'other', where = { kind = 'odd' } }"] = "3",
      ["ctx:count { machine = 'other', state = 'X', where = { kind = 'odd' } }"] = "2",
      ["ctx:count { machine = 'other', where = { n = 4, kind = 'even' } }"] = "1",
      [ [[ctx:count { machine = 'other', where = { ["x') OR 1=1 --"] = 1 } }]] ] = "0",
    }
    for expression, expected in pairs(asked) do
      assert.equal(expected, said("return " .. expression, { entities = entities }), expression)
    end
  end)

  it("does not convert", function()
    assert.equal("integer", said("return math.type(data.n)", { data = { n = 3 } }))
    assert.equal("float", said("return math.type(data.n)", { data = { n = 2.5 } }))
    assert.equal("string", said("return type(data.n)", { data = { n = "3" } }))
    assert.equal("9007199254740993", said("return data.n", { data = { n = 9007199254740993 } }))
  end)

  it("knows time", function()
    local asked = {
      ["time.format(ctx.now)"] = "2025-10-01T09:00:00.25Z", ["time.parse('2025-10-01T09:00:00+05:30')"] = "1759289400000000",
      ["select(2, time.parse('2025-10-01T09:00:00+05:30'))"] = "330",
      ["time.format(time.to_utc('2025-10-01T09:00:00', 330))"] = "2025-10-01T03:30:00Z",
      ["time.to_local(time.parse('2025-10-01T03:30:00Z'), 330)"] = "2025-10-01T09:00:00+05:30",
      ["time.offset_name(330)"] = "IST (UTC+5:30)", ["time.offset_name(123)"] = "UTC+02:03", ["time.offset_name(-123)"] = "UTC-02:03",
      ["time.offset_info(330).utc_offset_string"] = "UTC+05:30", ["time.offset_info(9999).is_valid"] = "false",
      ["time.valid_offset(-720)"] = "true", ["time.valid_offset(-721)"] = "false", ["time.valid_offset('330')"] = "false",
      ["time.valid_offset(330.5)"] = "false", ["time.valid_offset(330.0)"] = "false", ["time.valid_offset(true)"] = "false",
      ["time.not_future(ctx.now + 300000000)"] = "true", ["time.not_future(ctx.now + 300000001)"] = "false",
      ["time.not_future(ctx.now + 60000001, '1m')"] = "false",
      ["time.format(time.add(ctx.now, '1d2h'))"] = "2025-10-02T11:00:00.25Z", ["time.diff(ctx.now + 5, ctx.now)"] = "5",
      ["time.duration('1h30m')"] = "5400000000", ["time.date(ctx.now, 840)"] = "2025-10-01", ["time.date(ctx.now, 0)"] = "2025-10-01",
    }
    for expression, expected in pairs(asked) do assert.equal(expected, said("return " .. expression), expression) end
    for _, expression in ipairs { "time.parse('2025-10-01T09:00:00')", "time.parse(7)", "time.to_utc('2025-10-01T09:00:00', 900)",
                                  "time.to_utc('2025-10-01T09:00:00Z', 0)", "time.duration('soon')", "time.to_utc('2025-02-30T00:00:00', 0)" } do
      assert.equal("false", said(("return (pcall(function() return %s end))"):format(expression)), expression)
    end
  end)

  it("lets errors be caught, and says where they are when they are not", function()
    assert.equal("caught m.lua:2: oh", said("local ok, why = pcall(error, 'm.lua:2: oh') return 'caught ' .. why"))
    local message, decision = said("local x = data.a.b")
    assert.equal("policy_error", decision.code)
    assert.truthy(message:find("m.lua:2", 1, true), message)
  end)

  it("keeps helpers apart from machines", function()
    policies.write({ ["lib/a.lua"] = "local b = require 'lib.b' return { text = b.text .. '!' }", ["lib/b.lua"] = "return { text = 'deep' }" },
      directory .. "/policies")
    assert.equal("deep!", said("return require('lib.a').text"))
  end)
end)
