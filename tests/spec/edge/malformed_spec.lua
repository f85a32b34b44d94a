-- What no decent client sends: it is answered 4xx (or the connection is closed), never obeyed, and never hurts others.
local framing = require "tests.support.framing"
local http    = require "tests.support.http"
local server  = require "tests.support.server"

local ANY = [[ return machine "any" { initial = "A", states = { A = { to = { B = true } }, B = { to = { A = true } } } } ]]

local post = framing.post

local BAD_JSON = {
  ["nothing but a brace"] = "{", ["an open string"] = '{"id":"a', ["a trailing comma"] = '{"id":"a",}', ["two values"] = '{"id":"a"}{}',
  ["single quotes"] = "{'id':'a'}", ["a comment"] = '{/* x */"id":"a"}', ["a bare word"] = "{id:1}", ["NaN"] = '{"data":{"x":NaN}}',
  ["infinity"] = '{"data":{"x":Infinity}}', ["a number out of range"] = '{"data":{"x":1e400}}',
  ["a number that vanishes"] = '{"data":{"x":1e-400}}', ["an integer out of range"] = '{"data":{"x":92233720368547758080}}',
  ["a leading zero"] = '{"data":{"x":01}}', ["a leading plus"] = '{"data":{"x":+1}}', ["a hexadecimal number"] = '{"data":{"x":0x1}}',
  ["a key twice"] = '{"id":"a","id":"b"}', ["a key twice, deep down"] = '{"data":{"x":{"a":1,"a":1}}}',
  ["a key twice, written differently"] = '{"id":"a","\\u0069d":"b"}', ["a control character in a string"] = '{"id":"a\tb"}',
  ["an unknown escape"] = '{"id":"\\x41"}', ["half a surrogate pair"] = '{"id":"\\ud83d"}', ["a NUL"] = '{"data":{"x":"\\u0000"}}',
  ["a raw NUL"] = '{"id":"a\0b"}', ["bytes that are not UTF-8"] = '{"id":"a\255"}', ["an overlong slash"] = '{"id":"a\192\175"}',
  ["UTF-16"] = "\255\254{\0}\0", ["100 levels"] = '{"data":{"x":' .. ("["):rep(100) .. ("]"):rep(100) .. "}}",
  ["100,000 brackets"] = ("["):rep(100000), ["a list"] = "[]", ["a string"] = '"x"', ["null"] = "null", ["a number"] = "7",
  ["only spaces"] = "   ",
}

local BAD_PATHS = {
  "/v1/entities/any/%", "/v1/entities/any/%4", "/v1/entities/any/%zz", "/v1/entities/any/%00", "/v1/entities/any/%ff%fe",
  "/v1/entities/any?limit=%zz",
}

describe("malformed input:", function()
  local statute

  setup(function()
    statute = server.start { policies = { ["any.lua"] = ANY } }
    statute:create("any", "a", {})
  end)
  teardown(function() statute:stop() end)

  local function entities() return #http.expect(statute.client:get("/v1/entities/any?limit=1000"), 200).items end

  local function unharmed()
    http.expect(http.connect(statute.port):get("/v1/entities/any/a"), 200)
    http.expect(statute:read("any", "smuggled"), 404, "entity_not_found")
  end

  for name, bytes in pairs(framing.requests) do
    it(name, function()
      local before = entities()
      local received, closed = http.raw(statute.port, bytes, 2)
      local answers = http.answers(received)
      assert.is_true(#answers <= 1, received)
      if answers[1] then assert.is_true(answers[1].status >= 400 and answers[1].status < 506, received) end
      assert.is_true(closed, "the connection stays open: " .. received)
      assert.equal(before, entities())
      unharmed()
    end)
  end

  for name, body in pairs(BAD_JSON) do
    it("a body with " .. name, function()
      local before = entities()
      http.expect(statute.client:request("POST", "/v1/entities/any", body), 400, "bad_request")
      http.expect(statute.client:request("POST", "/v1/entities/any/a/transitions", body), 400, "bad_request")
      assert.equal(before, entities())
      unharmed()
    end)
  end

  for _, path in ipairs(BAD_PATHS) do
    it("the path " .. path, function()
      http.expect(statute.client:get(path), 400, "bad_request")
      unharmed()
    end)
  end

  it("methods that nobody knows", function()
    for _, method in ipairs { "BREW", "get", "DELETE", "TRACE", "CONNECT", ("X"):rep(100) } do
      local answer = http.connect(statute.port):request(method, "/v1/entities/any/a", nil)
      if answer.status then assert.is_true(answer.status >= 400 and answer.status <= 501, method) end
      unharmed()
    end
  end)

  it("half a request and a hang-up", function()
    for _, bytes in ipairs { "", "P", "POST /v1/ent", "POST /v1/entities/any HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{" } do
      http.raw(statute.port, bytes, 0)
      unharmed()
    end
  end)

  it("a client that asks and never listens", function()
    -- pipelines without reading: the server must not keep all those answers in memory
    local socket = require "socket"
    local greedy = assert(socket.tcp())
    assert(greedy:connect("127.0.0.1", statute.port))
    greedy:settimeout(0)
    local request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    local before = statute:rss_kib()
    local sent, deadline = 0, socket.gettime() + 1
    while socket.gettime() < deadline do
      local ok, _, partial = greedy:send(request:rep(1000))
      sent = sent + (ok or partial or 0)
      socket.select(nil, { greedy }, 0.05)
    end
    unharmed()
    assert.is_true(statute:rss_kib() - before < 100 * 1024 * server.patience, ("%d KiB more after %d bytes"):format(statute:rss_kib() - before, sent))
    greedy:close()
    unharmed()
  end)

  it("many connections that say nothing", function()
    local socket = require "socket"
    local idle = {}
    for i = 1, 200 do
      idle[i] = assert(socket.tcp())
      idle[i]:settimeout(2)
      assert(idle[i]:connect("127.0.0.1", statute.port))
    end
    unharmed()
    for _, sock in ipairs(idle) do sock:close() end
    unharmed()
  end)
end)

describe("unusual but right:", function()
  local statute

  setup(function()
    statute = server.start { policies = { ["any.lua"] = ANY } }
    statute:create("any", "a", {})
  end)
  teardown(function() statute:stop() end)

  it("pipelined requests are answered in order", function()
    local requests = {}
    for i = 1, 5 do requests[i] = ("GET /v1/entities/any/%s HTTP/1.1\r\nHost: x\r\nX-Request-Id: r%d\r\n\r\n"):format(i % 2 == 1 and "a" or "none", i) end
    local answers = http.answers((http.raw(statute.port, table.concat(requests), 2)))
    assert.equal(5, #answers)
    for i, answer in ipairs(answers) do
      assert.equal("r" .. i, answer.headers["x-request-id"])
      assert.equal(i % 2 == 1 and 200 or 404, answer.status)
    end
  end)

  it("a body in chunks is a body", function()
    local bytes = post("Transfer-Encoding: chunked\r\nConnection: close", "5\r\n{\"id\"\r\nD\r\n:\"in-chunks\"}\r\n0\r\n\r\n")
    local answer = http.answers((http.raw(statute.port, bytes, 2)))[1]
    assert.equal(201, answer and answer.status, answer and answer.body)
    http.expect(statute:read("any", "in-chunks"), 200)
  end)

  it("a request in single bytes is a request", function()
    local socket = require "socket"
    local sock = assert(socket.tcp())
    assert(sock:connect("127.0.0.1", statute.port))
    sock:setoption("tcp-nodelay", true)
    local bytes = "GET /v1/entities/any/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for i = 1, #bytes do assert(sock:send(bytes:sub(i, i))) end
    sock:settimeout(2)
    assert.truthy(sock:receive("*l"):find("200", 1, true))
    sock:close()
  end)

  it("Connection: close closes, HTTP/1.0 too", function()
    for _, head in ipairs { "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET /livez HTTP/1.0\r\n\r\n" } do
      local received, closed = http.raw(statute.port, head, 2)
      assert.equal(200, http.answers(received)[1].status)
      assert.is_true(closed)
    end
  end)

  it("Expect: 100-continue is answered before the body", function()
    local socket = require "socket"
    local sock = assert(socket.tcp())
    assert(sock:connect("127.0.0.1", statute.port))
    sock:settimeout(2)
    sock:send(post("Content-Length: 18\r\nExpect: 100-continue\r\nConnection: close", ""))
    assert.truthy(sock:receive("*l"):find("100", 1, true))
    sock:receive("*l")
    sock:send('{"id":"continued"}')
    assert.truthy(sock:receive("*l"):find("201", 1, true))
    sock:close()
  end)

  it("a header in any letter case is that header", function()
    local answer = statute.client:get("/v1/entities/any/a", { ["x-REQUEST-id"] = "odd-case" })
    assert.equal("odd-case", answer.headers["x-request-id"])
  end)

  it("an identifier may be percent-encoded through and through", function()
    http.expect(statute.client:get("/v1/entities/any/%61"), 200)
  end)
end)
