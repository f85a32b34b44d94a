local http   = require "tests.support.http"
local server = require "tests.support.server"

describe("a page of another site", function()
  local statute

  setup(function() statute = server.start {} end)
  teardown(function() statute:stop() end)

  local function create(headers)
    return statute.client:request("POST", "/v1/entities/task", { data = {} }, headers)
  end

  it("may not call the server, whatever type its body has", function()
    http.expect(create { Origin = "http://evil.example" }, 403, "permission_denied")
    http.expect(create { Origin = "null" }, 403, "permission_denied")
    http.expect(create { Origin = "http://127.0.0.1.evil.example:80" }, 403, "permission_denied")
  end)

  it("is not a page of this server", function()
    http.expect(create { Origin = "http://statute.test" }, 201)
    http.expect(create(), 201)
  end)

  it("is none either when its name was made to point here", function()
    for _, name in ipairs { "evil.com", "127.0.0.1.evil.com:8080", "localhost.evil.com", "EVIL.com.", "test.evil", "notexample.com" } do
      http.expect(create { Host = name, Origin = "http://" .. name }, 403, "permission_denied")
      http.expect(statute.client:request("GET", "/v1/machines", nil, { Host = name }), 403, "permission_denied")
      http.expect(statute.client:request("GET", "/metrics", nil, { Host = name }), 403, "permission_denied")
    end
    for _, name in ipairs { "127.0.0.1:8080", "localhost", "LocalHost:80", "[::1]:80", "statute", "a.localhost", "node.cluster.local.", "www.example.com" } do
      http.expect(create { Host = name, Origin = "http://" .. name }, 201)
    end
  end)

  it("cannot send a form", function()
    local answer = create { ["Content-Type"] = "application/x-www-form-urlencoded" }
    http.expect(answer, 415, "unsupported_media_type")
  end)
end)
