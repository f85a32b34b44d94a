-- examples/verify: a verifier in another language agrees on every record of an export, and finds what was changed.
local http     = require "tests.support.http"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local DATA = [[{"id":"x%d","data":{"big":9007199254740993,"most":9223372036854775807,"least":-9223372036854775808,"tiny":1e-7,"small":0.000001,
  "large":1e21,"whole":4.50,"edge":123456789012345680000,"frac":0.1,"neg":-2.5e-9,"text":"a\u0007\u2028\"\\\u00e9\ud83d\ude00\u007f",
  "\ud83d\ude00":1,"\uff01":2,"a":[1,null,true]}}]]

describe("the verifier in examples/verify", function()
  it("agrees on every record, and finds one that was changed or removed", function()
    local statute = server.start { policies = { ["thing.lua"] = [[
      return machine "thing" { initial = "A", states = { A = { to = { B = { effect = function() return { set = { half = 0.5, third = 1 / 3 } } end } } }, B = {} } }]] } }
    for i = 1, 3 do
      http.expect(statute.client:post("/v1/entities/thing", DATA:format(i)), 201)
      statute:move("thing", "x" .. i, { to = "B", comments = "Line\nbreak", metadata = { n = 1.25e30 } })
      statute:move("thing", "x" .. i, "A")
    end
    statute:stop(true)
    local status, export, err = server.statute { "audit", "export", "--store", statute.store }
    assert.equal(0, status, err)
    local function verify(text)
      local path = policies.temporary() .. "/export"
      policies.write_file(path, text)
      return server.run { "python3", "examples/verify/verify.py", path }
    end
    local code, out, complaint = verify(export)
    assert.equal(0, code, complaint)
    assert.equal("9 records of 3 entities are as they were written\n", out)
    assert.equal(1, (verify((export:gsub("9007199254740993", "9007199254740992", 1)))))
    assert.equal(1, (verify((export:gsub("Line", "Lime", 1)))))
    assert.equal(1, (verify((export:gsub("^[^\n]*\n", "", 1)))))
  end)
end)
