-- HTTPS of the server itself: the same limits and rules as over plain sockets, and certificates that are renewed.
local eventually = require "tests.support.eventually"
local framing    = require "tests.support.framing"
local http       = require "tests.support.http"
local policies   = require "tests.support.policies"
local server     = require "tests.support.server"
local socket     = require "socket"

local ANY = [[ return machine "any" { initial = "A", states = { A = { to = { B = true } }, B = { to = { A = true } } } } ]]
local directory = policies.temporary()
local files = { cert = directory .. "/cert.pem", key = directory .. "/key.pem" }

-- Makes a certificate called `name` beside the others: returns its text and its key's.
local function make(name, days)
  local cert, key = directory .. "/made.cert", directory .. "/made.key"
  local status, _, err = server.run { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
    "-keyout", key, "-out", cert, "-days", tostring(days or 90), "-subj", "/CN=" .. name }
  assert(status == 0, err)
  return policies.read_file(cert), policies.read_file(key)
end

local function install(cert, key)
  policies.write_file(files.cert, cert)
  policies.write_file(files.key, key)
end

local function start(arguments)
  local all = { "--tls-cert", files.cert, "--tls-key", files.key, table.unpack(arguments or {}) }
  return server.start { policies = { ["any.lua"] = ANY }, arguments = all, tls = true }
end

-- What `openssl s_client` reports of a handshake.
local function handshake(port, arguments)
  local _, out, err = server.run({ "openssl", "s_client", "-connect", "127.0.0.1:" .. port, table.unpack(arguments or {}) }, "")
  return out .. err
end

local function name_at(port) return handshake(port):match("subject=CN = ([%w-]+)") end

local function metric(statute, name)
  return tonumber(statute.client:get("/metrics").body:match("\n" .. name .. " (%d+)"))
end

-- Connects, sends bytes as they are, and says whether the server closed within `seconds`.
local function say(port, bytes, seconds)
  local _, closed = http.raw(port, bytes, seconds)
  return closed
end

describe("TLS:", function()
  local statute

  setup(function()
    install(make("first"))
    statute = start { "--header-timeout", "400ms" }
    statute:create("any", "a", {})
  end)
  teardown(function()
    statute:stop()
    policies.remove(directory)
  end)

  it("the log says https, and calls work", function()
    assert.truthy(statute:log():find("listening on https://127.0.0.1:" .. statute.port, 1, true))
    http.expect(statute:read("any", "a"), 200)
  end)

  it("pages of this server are those over TLS, and browsers are told to stay with it", function()
    local answer = statute.client:get("/v1/machines", { Origin = "https://statute.test" })
    http.expect(answer, 200)
    assert.equal("max-age=31536000", answer.headers["strict-transport-security"])
    http.expect(statute.client:get("/v1/machines", { Origin = "http://statute.test" }), 403, "permission_denied")
  end)

  it("AuthZEN Discovery 6.3 and 6.4: every URL of the metadata document is an HTTPS URL, and is where it says", function()
    local document = http.expect(statute.client:get("/.well-known/authzen-configuration"), 200)
    assert.equal("https://statute.test", document.policy_decision_point)
    for name, url in pairs(document) do
      local path = url:match("^https://statute%.test(.*)$")
      assert.truthy(path, name)
      if name ~= "policy_decision_point" then http.expect(statute.client:post(path, "{}"), 400, "bad_request") end
    end
  end)

  it("bodies larger than a record arrive whole, both ways", function()
    local long = ("x"):rep(300000)
    statute:create("any", "long", { note = long })
    assert.equal(long, statute:read("any", "long").json.data.note)
  end)

  it("pipelined requests are answered in order", function()
    local requests = {}
    for i = 1, 40 do requests[i] = ("GET /v1/entities/any/a HTTP/1.1\r\nHost: x\r\nX-Pad: %s\r\nX-Request-Id: r%d\r\n\r\n"):format(("p"):rep(2000), i) end
    local answers = http.answers((http.raw(statute.port, table.concat(requests), 5, http.tls)))
    assert.equal(40, #answers)
    for i, answer in ipairs(answers) do assert.equal("r" .. i, answer.headers["x-request-id"]) end
  end)

  it("1.2 and 1.3 are spoken, older versions are not", function()
    assert.truthy(handshake(statute.port, { "-tls1_2" }):find("Protocol  : TLSv1.2", 1, true))
    assert.truthy(handshake(statute.port, { "-tls1_3" }):find("New, TLSv1.3", 1, true))
    assert.falsy(handshake(statute.port, { "-tls1_1", "-cipher", "ALL:@SECLEVEL=0" }):find("BEGIN CERTIFICATE", 1, true))
  end)

  it("no weak cipher is taken, and the server's order counts", function()
    assert.falsy(handshake(statute.port, { "-tls1_2", "-cipher", "AES128-SHA:ECDHE-ECDSA-AES128-SHA" }):find("BEGIN CERTIFICATE", 1, true))
    local order = handshake(statute.port, { "-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384" })
    assert.truthy(order:find("Cipher is ECDHE-ECDSA-AES256-GCM-SHA384", 1, true), order)
  end)

  it("ALPN chooses http/1.1, and refuses who wants something else", function()
    assert.truthy(handshake(statute.port, { "-alpn", "h2,http/1.1" }):find("ALPN protocol: http/1.1", 1, true))
    assert.falsy(handshake(statute.port, { "-alpn", "h2" }):find("BEGIN CERTIFICATE", 1, true))
  end)

  it("nobody renegotiates", function()

    local _, out, err = server.run({ "openssl", "s_client", "-tls1_2", "-connect", "127.0.0.1:" .. statute.port }, "R\n")
    assert.truthy((out .. err):find("no renegotiation", 1, true), out .. err)
  end)

  it("who never finishes the handshake is closed by the header timeout", function()
    local before = metric(statute, "statute_http_timeouts_total")
    for _, bytes in ipairs { "", "\22\3\1\2\0\1\0\1\252\3\3" } do
      local began = socket.gettime()
      assert.is_true(say(statute.port, bytes, 5 * server.patience))
      assert.is_true(socket.gettime() - began >= 0.3, "closed too early")
    end
    assert.is_true(metric(statute, "statute_http_timeouts_total") >= before + 2)
  end)

  it("garbage and plain HTTP are closed, counted and not logged", function()
    local before, log = metric(statute, "statute_tls_handshakes_failed_total"), statute:log()
    assert.is_true(say(statute.port, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", 5))
    assert.is_true(say(statute.port, ("\1\2\3\255"):rep(100), 5))
    eventually(function() return metric(statute, "statute_tls_handshakes_failed_total") == before + 2 end)
    assert.equal(log, statute:log())
  end)

  it("a slow head is cut at its deadline", function()
    local received, closed = http.raw(statute.port, "GET /livez HTTP/1.1\r\nHo", 5 * server.patience, http.tls)
    assert.is_true(closed)
    assert.equal(408, http.answers(received)[1].status)
  end)

  for name, bytes in pairs(framing.requests) do
    it("framing: " .. name, function()
      local received, closed = http.raw(statute.port, bytes, 5, http.tls)
      local answers = http.answers(received)
      assert.is_true(#answers <= 1, received)
      if answers[1] then assert.is_true(answers[1].status >= 400 and answers[1].status < 506, received) end
      assert.is_true(closed, "the connection stays open: " .. received)
      http.expect(statute:read("any", "smuggled"), 404, "entity_not_found")
    end)
  end

  it("a client that asks and never listens costs no memory", function()
    local greedy = assert(socket.tcp())
    assert(greedy:connect("127.0.0.1", statute.port))
    greedy = assert(require("ssl").wrap(greedy, http.tls))
    assert(greedy:dohandshake())
    greedy:settimeout(0)
    local request, before = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", statute:rss_kib()
    local deadline = socket.gettime() + 1
    while socket.gettime() < deadline do
      greedy:send(request:rep(100))
      socket.select(nil, { greedy }, 0.05)
    end
    http.expect(http.connect(statute.port, nil, nil, http.tls):get("/v1/entities/any/a"), 200)
    assert.is_true(statute:rss_kib() - before < 50 * 1024 * server.patience)
    greedy:close()
  end)
end)

describe("a certificate", function()
  local statute

  setup(function()
    directory = policies.temporary()
    files = { cert = directory .. "/cert.pem", key = directory .. "/key.pem" }
    install(make("one"))
    statute = start()
  end)
  teardown(function()
    statute:stop()
    policies.remove(directory)
  end)

  it("says when it ends", function()
    local ends = metric(statute, "statute_tls_certificate_expiry_timestamp_seconds")
    assert.is_true(math.abs(ends - os.time() - 90 * 86400) < 3600, tostring(ends))
  end)

  it("that is replaced is shown to new connections, old ones go on, and no request fails", function()
    http.expect(statute.client:get("/livez"), 200)
    local kept = statute.client.connection
    local load = assert(io.popen(("wrk -t1 -c8 -d4s -H 'Connection: close' https://127.0.0.1:%d/livez"):format(statute.port)))
    for _, name in ipairs { "two", "three" } do
      install(make(name))
      eventually(function() return name_at(statute.port) == name end, 3, "the new certificate")
    end
    local told = load:read("a")
    load:close()
    assert.truthy(told:find("requests in", 1, true), told)
    assert.falsy(told:find("Socket errors", 1, true) or told:find("Non-2xx", 1, true), told)
    http.expect(statute.client:get("/livez"), 200)
    assert.equal(kept, statute.client.connection)
  end)

  it("that is bad changes nothing and is logged once", function()
    local name = name_at(statute.port)
    local function refusals() return select(2, statute:log():gsub("stays in force", "")) end
    policies.write_file(files.cert, "-----BEGIN CERTIFICATE-----\nhalf")
    eventually(function() return refusals() == 1 end, 3, "the bad file is logged")
    assert.truthy(statute:log():find("is not a certificate in PEM", 1, true))
    assert.equal(name, name_at(statute.port))
    local other = make("other")
    policies.write_file(files.cert, other)
    eventually(function() return refusals() == 2 end, 3, "the mismatch is logged")
    assert.truthy(statute:log():find("does not belong to the certificate", 1, true))
    assert.equal(name, name_at(statute.port))
    assert.equal(2, refusals())
    install(make("mended"))
    eventually(function() return name_at(statute.port) == "mended" end, 3, "the good pair")
  end)

  it("is read again on SIGHUP, changed or not", function()
    local name = "statute_tls_certificate_"
    local before = tonumber(statute.client:get("/metrics").body:match(name .. 'reloads_total{result="success"} (%d+)'))
    statute:signal("HUP")
    eventually(function()
      return tonumber(statute.client:get("/metrics").body:match(name .. 'reloads_total{result="success"} (%d+)')) == before + 1
    end, 3, "the reload")
  end)

  it("that ends within 14 days is warned of", function()
    assert.falsy(statute:log():find("put a new one in its place", 1, true))
    install(make("short", 3))
    eventually(function() return statute:log():find("put a new one in its place", 1, true) end, 3, "the warning")
  end)
end)

describe("options of TLS that cannot be:", function()
  local own, cert, key

  setup(function()
    own = policies.temporary()
    cert, key = own .. "/c.pem", own .. "/k.pem"
    local status = server.run { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
      "-keyout", key, "-out", cert, "-subj", "/CN=x" }
    assert.equal(0, status)
    server.run { "openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", own .. "/other.pem" }
    server.run { "openssl", "ec", "-in", key, "-aes256", "-passout", "pass:secret", "-out", own .. "/locked.pem" }
  end)
  teardown(function() policies.remove(own) end)

  local function refused(status, what, ...)
    local got, _, err = server.statute { "serve", "--listen", "127.0.0.1:0", "--auth", "none", "--store", "sqlite:" .. own .. "/x.db", ... }
    assert.equal(status, got, err)
    assert.truthy(err:find(what, 1, true), err)
  end

  it("one file without the other", function()
    refused(2, "go together", "--tls-cert", cert)
    refused(2, "go together", "--tls-key", key)
  end)
  it("a file that is not there", function() refused(3, "Cannot read the TLS certificate", "--tls-cert", own .. "/none", "--tls-key", key) end)
  it("a key of another certificate", function() refused(3, "does not belong to the certificate", "--tls-cert", cert, "--tls-key", own .. "/other.pem") end)
  it("a key with a passphrase", function() refused(3, "has a passphrase", "--tls-cert", cert, "--tls-key", own .. "/locked.pem") end)
  it("files that are no PEM", function()
    refused(3, "is not a certificate in PEM", "--tls-cert", "README.md", "--tls-key", key)
    refused(3, "is not a private key in PEM", "--tls-cert", cert, "--tls-key", "README.md")
  end)
end)
