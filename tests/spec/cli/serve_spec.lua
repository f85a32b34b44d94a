-- The server as a process: how it starts, stops, and behaves when something around it fails.
local eventually = require "tests.support.eventually"
local http     = require "tests.support.http"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"
local socket   = require "socket"

local LAMP = [[
local function slow() for i = 1, 200000 do local _ = i end return true end
return machine "lamp" {
  initial = "OFF", states = { OFF = { to = { ON = true, HOT = { guard = slow } } }, ON = { to = { OFF = true } }, HOT = { to = { OFF = true } } },
}
]]

describe("statute serve", function()
  local statute

  local function start(...) statute = server.start { policies = { ["lamp.lua"] = LAMP }, arguments = { ... } } return statute end

  after_each(function()
    if statute and statute.pid then statute:stop() end
    statute = nil
  end)

  -- Tries to start another server, which is expected to fail.
  local function another(more)
    local words = { listen = "127.0.0.1:0", policies = "policies", store = "sqlite:" .. statute.directory .. "/other.db", auth = "none" }
    for name, value in pairs(more) do words[name] = value end
    local arguments = { "serve" }
    for name, value in pairs(words) do
      arguments[#arguments + 1] = "--" .. name
      arguments[#arguments + 1] = value
    end
    local status, _, err = server.statute(arguments)
    return status, err
  end

  it("refuses a key of personal data that is too short, and does not show it", function()
    start()
    local status, err = another { ["pii-key"] = "fifteen-bytes-x" }
    assert.equal(2, status)
    assert.match("%-%-pii%-key is shorter than 16 bytes", err)
    assert.is_nil(err:find("fifteen", 1, true))
  end)

  it("says so, and exits with 3, when the port is taken", function()
    start()
    local status, err = another { listen = "127.0.0.1:" .. statute.port }
    assert.equal(3, status)
    assert.truthy(err:find(tostring(statute.port), 1, true), err)
  end)

  it("exits with 2 when that is no address", function()
    start()
    for _, address in ipairs { "8080", "127.0.0.1:99999", "127.0.0.1:http", "" } do
      local status, err = another { listen = address, auth = "keys" }
      assert.equal(2, status, address)
      assert.truthy(err:find("is not an address to listen on; 127.0.0.1:8080", 1, true), err)
    end
  end)

  it("says that the port is missing", function()
    start()
    for _, address in ipairs { "127.0.0.1", "[::1]", "localhost" } do
      local status, err = another { listen = address, auth = "keys" }
      assert.equal(2, status, address)
      assert.truthy(err:find(("lacks a port: write %s:8080"):format(address), 1, true), err)
    end
  end)

  it("refuses a store in memory with a sentence", function()
    start()
    local status, err = another { store = "sqlite::memory:" }
    assert.equal(2, status)
    assert.truthy(err:find("a store is a file", 1, true), err)
  end)

  it("refuses a variable that no command knows, with the nearest name", function()
    local status, _, err = server.run { "env", "STATUTE_LISTNE=127.0.0.1:0", server.program, "version" }
    assert.equal(2, status)
    assert.truthy(err:find("STATUTE_LISTNE is set, but no command has such an option; did you mean STATUTE_LISTEN?", 1, true), err)
    for _, name in ipairs { "STATUTE_SERVICE_HOST", "STATUTE_PORT_8080_TCP", "STATUTE_PORT", "STATUTE_LISTEN" } do
      assert.equal(0, (server.run { "env", name .. "=127.0.0.1:0", server.program, "version" }), name)
    end
  end)

  it("exits with 3 when another server has the store", function()
    start()
    local status, err = another { store = statute.store }
    assert.equal(3, status)
    assert.truthy(err:find(tostring(statute.pid), 1, true), err)
    http.expect(statute.client:get("/v1/machines"), 200)
  end)

  it("exits with 3 when the store is no database, or one of a later version", function()
    start()
    policies.write_file(statute.directory .. "/bad.db", ("no database "):rep(1000))
    local status, err = another { store = "sqlite:" .. statute.directory .. "/bad.db" }
    assert.equal(3, status)
    assert.truthy(err:find("bad.db", 1, true), err)
    statute:stop(true)
    server.run { "sqlite3", statute.directory .. "/x.db", "INSERT INTO schema_version (version, applied_us) VALUES (9999, 0)" }
    status, err = another { store = statute.store }
    assert.equal(3, status)
    assert.truthy(err:find("9999", 1, true), err)
    policies.remove(statute.directory)
  end)

  it("refuses bad policies at the start, naming every problem", function()
    start()
    local folder = policies.write({ ["a.lua"] = "local = 1", ["b.lua"] = "return machine 'b' {}" }, statute.directory .. "/bad")
    local status, err = another { policies = folder }
    assert.equal(1, status, err)
    assert.truthy(err:find("a.lua:1", 1, true) and err:find("b.lua", 1, true), err)
  end)

  it("takes its options from the environment and from a file, in this order", function()
    start()
    local file = statute.directory .. "/statute.lua"
    policies.write_file(file, 'return { listen = "127.0.0.1:1", log_format = "json" }')
    local words = { "env", "STATUTE_LISTEN=127.0.0.1:" .. statute.port, server.program, "serve", "--config", file, "--auth", "none",
                    "--policies", "policies", "--store", "sqlite:" .. statute.directory .. "/other.db" }
    local status, _, err = server.run(words)
    assert.equal(3, status)
    assert.truthy(err:find(tostring(statute.port), 1, true), err) -- the environment's, not the file's
  end)

  it("stops at once with idle connections open, and exits with 0", function()
    start()
    local idle = {}
    for i = 1, 20 do idle[i] = assert(socket.connect("127.0.0.1", statute.port)) end
    idle[1]:send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    idle[1]:receive("*l")
    local started = socket.gettime()
    statute:signal("TERM")
    local kind, code = statute:wait()
    assert.equal("exit 0", kind .. " " .. code)
    assert.is_true(socket.gettime() - started < 2 * server.patience)
    policies.remove(statute.directory)
  end)

  it("is not ready from SIGTERM on, but takes requests for the drain delay", function()
    start("--drain-delay", 2 * server.patience .. "s")
    statute:signal("TERM")
    eventually(function() return statute.client:get("/readyz").status == 503 end, 15, "it is no longer ready")
    http.expect(statute.client:get "/readyz", 503, "draining")
    statute:create("lamp", "late")
    http.expect(http.connect(statute.port):get("/v1/entities/lamp/late"), 200)
    local kind, code = statute:wait(60)
    assert.equal("exit 0", kind .. " " .. code)
    policies.remove(statute.directory)
  end)

  it("waits for a client that does not finish, but not for ever", function()
    start("--drain-timeout", "300ms")
    local stuck = assert(socket.connect("127.0.0.1", statute.port))
    stuck:send("POST /v1/entities/lamp HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    statute:signal("TERM")
    local kind, code = statute:wait(5)
    assert.equal("exit 0", kind .. " " .. code)
    stuck:close()
    policies.remove(statute.directory)
  end)

  it("answers 503 while the store is not to be had, and recovers by itself", function()
    start()
    statute:create("lamp", "l", {})
    local hold = assert(io.popen("sqlite3 -batch " .. statute.directory .. "/x.db >" .. statute.directory .. "/held", "w"))
    hold:write("BEGIN IMMEDIATE;\nSELECT 'held';\n")
    hold:flush()
    require("tests.support.eventually")(function() return policies.read_file(statute.directory .. "/held") == "held\n" end)
    local answer = statute:move("lamp", "l", "ON")
    local problem = http.expect(answer, 503, "store_unavailable")
    assert.truthy(tonumber(answer.headers["retry-after"]))
    assert.is_string(problem.outcome)
    http.expect(statute:read("lamp", "l"), 200) -- readers are not held up
    hold:write("ROLLBACK;\n")
    hold:close()
    http.expect(statute:move("lamp", "l", "ON"), 200)
    assert.equal(2, statute:read("lamp", "l").json.version)
  end)

  it("answers 408 to requests that do not come to an end", function()
    start("--header-timeout", "200ms", "--body-timeout", "300ms")
    for _, bytes in ipairs { "GET /livez HT", "POST /v1/entities/lamp HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{" } do
      local received, closed = http.raw(statute.port, bytes, 5)
      http.expect(http.answers(received)[1], 408, "request_timeout")
      assert.is_true(closed)
    end
  end)

  it("closes idle connections without a word", function()
    start("--idle-timeout", "200ms")
    local received, closed = http.raw(statute.port, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", 5)
    assert.equal(1, #http.answers(received))
    assert.is_true(closed)
  end)

  it("answers 503 to more than it can queue, and does what it accepted", function()
    start("--queue-limit", "2", "--batch-limit", "1", "--policy-time", "5s")
    local requests, done, refused = {}, 0, 0
    for i = 1, 60 do
      statute:create("lamp", "l" .. i, {})
      requests[i] = { method = "POST", path = ("/v1/entities/lamp/l%d/transitions"):format(i), body = { to = "HOT" } }
    end
    for i, answer in ipairs(http.parallel(statute.port, requests, 60)) do
      if answer.status == 200 then
        done = done + 1
        assert.equal("HOT", statute:read("lamp", "l" .. i).json.state)
      else
        http.expect(answer, 503, "overloaded")
        assert.truthy(tonumber(answer.headers["retry-after"]))
        refused = refused + 1
        assert.equal("OFF", statute:read("lamp", "l" .. i).json.state)
      end
    end
    assert.is_true(done > 0)
    assert.is_true(refused > 0)
  end)

  it("writes its log as JSON when asked", function()
    start("--log-format", "json")
    statute:create("lamp", "l", {})
    for line in statute:log():gmatch("[^\n]+") do assert.is_table(require("tests.support.json").decode(line), line) end
  end)
end)
