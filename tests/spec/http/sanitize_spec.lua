local http     = require "tests.support.http"
local server   = require "tests.support.server"

local PII = [[
return pii { drop = { "password", "token", "secret", "api_key", "ssn", "credit_card" },
             mask = { phone = "last4", email = "domain" }, hash = { "employee_code" },
             redact = { "email", "card", "ssn" } }
]]

local ANY = [[
return machine "any" {
  initial = "A",
  states = {
    A = { to = { B = { effect = function() return { emit = { { type = "any.moved", data = { password = "hunter" .. "-emit", deep = { "joe" .. "-emit@example.com" } } } } } end },
                 C = { guard = function() return false, "Ask joe" .. "-guard@example.com" end },
                 D = { guard = function() error("joe" .. "-error@example.com is not to be had") end } } },
    B = {}, C = {}, D = {},
  },
}
]]

describe("sanitize", function()
  local statute

  setup(function() statute = server.start { policies = { ["pii.lua"] = PII, ["any.lua"] = ANY } } end)
  teardown(function() statute:stop() end)

  local function clean(metadata) return http.expect(statute.client:post("/v1/sanitize", { metadata = metadata }), 200).metadata end
  local function clean_text(comments) return http.expect(statute.client:post("/v1/sanitize", { comments = comments }), 200).comments end

  it("drops keys at any depth and in any letter case", function()
    local dirty = { keep = 1, password = "p", Token = "t", SECRET = { a = 1 },
                    deep = { list = { { api_key = "k", x = 2 }, { Ssn = "s", y = 3 } }, Credit_Card = 4, z = 5 } }
    assert.same({ keep = 1, deep = { list = { { x = 2 }, { y = 3 } }, z = 5 } }, clean(dirty))
  end)

  it("keeps what merely looks alike", function()
    assert.same({ passwords_changed = 3, tokenize = true }, clean { passwords_changed = 3, tokenize = true })
  end)

  it("masks all but the last four digits, and all but the domain", function()
    local masked = clean { phone = "+49 170 1234567", email = "joe.doe@example.com" }
    assert.truthy(masked.phone:find("4567$"))
    assert.is_nil(masked.phone:find("123", 1, true))
    assert.truthy(masked.email:find("example.com", 1, true))
    assert.is_nil(masked.email:find("joe", 1, true))
  end)

  it("hashes so that equal values stay equal, and nothing shows", function()
    local first, again, other = clean { employee_code = "E-1" }, clean { deep = { employee_code = "E-1" } }, clean { employee_code = "E-2" }
    assert.equal(first.employee_code, again.deep.employee_code)
    assert.not_equal(first.employee_code, other.employee_code)
    assert.is_nil(first.employee_code:find("E-1", 1, true))
  end)

  it("takes addresses and numbers out of free text", function()
    for _, text in ipairs {
      "Mail joe.doe+x@mail.example.co.uk now", "Card 4111 1111 1111 1111.", "Card 4111-1111-1111-1111", "Card 5500000000000004",
      "SSN 078-05-1120!",
    } do
      local cleaned = clean_text(text)
      assert.is_nil(cleaned:find("joe", 1, true))
      assert.is_nil(cleaned:find("1111", 1, true))
      assert.is_nil(cleaned:find("5500000000000004", 1, true))
      assert.is_nil(cleaned:find("1120", 1, true))
      assert.equal(text:match("^%a+"), cleaned:match("^%a+"))
    end
  end)

  it("leaves numbers alone that fail the Luhn check, and ordinary text", function()
    for _, text in ipairs { "Order 4111 1111 1111 1112", "Meter 1234567890123", "At 10@noon, 3 pieces", "Grüße, 日本" } do
      assert.equal(text, clean_text(text))
    end
  end)

  it("cleans text inside metadata too", function()
    assert.is_nil(clean({ note = "ask joe@example.com" }).note:find("joe", 1, true))
  end)

  it("is done before anything reaches the disk or the log", function()
    statute:create("any", "a", {})
    local asked = { comments = "joe-comments@example.com", metadata = { token = "hunter-token", note = "joe-meta@example.com" },
                    actor = { id = "ann", attributes = { secret = "hunter-secret", mail = "joe-actor@example.com" } } }
    for _, to in ipairs { "C", "D", "B" } do
      asked.to = to
      statute:move("any", "a", asked)
    end
    assert.equal("B", statute:read("any", "a").json.state)
    local written = statute:log() .. server.stored(statute.store)
    assert.truthy(written:find("ann", 1, true))
    for _, secret in ipairs { "hunter-", "joe-" } do
      local at = written:find(secret, 1, true)
      assert.is_nil(at, at and written:sub(at, at + 40))
    end
  end)

  it("hashes what a batch is sent once, as it hashes what a single request is sent", function()
    statute:create("any", "h", {})
    local hash = clean({ employee_code = "E-9" }).employee_code
    local batch = http.expect(statute.client:post("/v1/batches", { machine = "any", ids = { "h" }, to = "B", metadata = { employee_code = "E-9" },
                                                                   data = { password = "hunter-batch", room = 4 } }), 200)
    assert.same({ room = 4 }, batch.request.data)
    assert.equal(hash, batch.request.metadata.employee_code)
    local records = statute:history("any", "h")
    assert.equal(hash, records[#records].metadata.employee_code)
    assert.same({ room = 4 }, records[#records].patch)
    assert.equal("hunter-batch", statute:read("any", "h").json.data.password)
  end)

  it("knows the rules of a machine, and what a value is hashed to", function()
    http.expect(statute.client:post("/v1/sanitize", { machine = "anny", metadata = {} }), 404, "unknown_machine")
    local answer = http.expect(statute.client:post("/v1/sanitize", { machine = "any", metadata = { a = { employee_code = { "E-1", "E-2" } } } }), 200)
    assert.same({ ["a.employee_code.0"] = { answer.metadata.a.employee_code[1] }, ["a.employee_code.1"] = { answer.metadata.a.employee_code[2] } },
                answer.hashes)
  end)

  it("answers nothing for nothing", function()
    http.expect(statute.client:post("/v1/sanitize", {}), 200)
  end)

  it("refuses what it does not know", function()
    http.expect(statute.client:request("POST", "/v1/sanitize", '{"metadata":[]}'), 400, "bad_request")
    http.expect(statute.client:request("POST", "/v1/sanitize", '{"comments":1}'), 400, "bad_request")
    http.expect(statute.client:request("POST", "/v1/sanitize", '{"text":"x"}'), 400, "bad_request")
  end)
end)
