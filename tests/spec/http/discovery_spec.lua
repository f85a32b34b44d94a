local http   = require "tests.support.http"
local server = require "tests.support.server"

local DOOR = [[
return machine "door" {
  doc     = "A door.",
  initial = "SHUT",
  fields  = { color = { type = "string", enum = { "red", "blue" }, default = "red", doc = "what it looks like" },
              height = { type = "integer", min = 1, max = 300, required = true } },
  states  = {
    SHUT = { doc = "Nobody comes in.", to = { OPEN = { name = "open", permit = "door.open", doc = "With the key." } },
             after = { delay = "1d", to = "OPEN" } },
    OPEN = { final = true },
  },
}
]]
local WINDOW = [[ return { machine "window" { initial = "A", states = { A = { final = true } } }, machine "attic" { initial = "A", states = { A = {} } } } ]]

describe("discovery", function()
  local statute

  setup(function() statute = server.start { policies = { ["house/door.lua"] = DOOR, ["window.lua"] = WINDOW } } end)
  teardown(function() statute:stop() end)

  it("lists the machines that are loaded, in name order", function()
    local list = http.expect(statute.client:get("/v1/machines"), 200).machines
    local names = {}
    for i, machine in ipairs(list) do names[i] = machine.name end
    assert.same({ "attic", "door", "window" }, names)
    assert.equal("A door.", list[2].doc)
    assert.equal("SHUT", list[2].initial)
  end)

  it("shows a machine with its fields, states and ways", function()
    local answer = statute.client:get("/v1/machines/door")
    local door = http.expect(answer, 200)
    assert.equal("door", door.name)
    assert.equal("SHUT", door.initial)
    for _, word in ipairs { "A door.", "Nobody comes in.", "door.open", '"open"', "With the key.", "what it looks like", "integer",
                            "300", "blue", '"final":true' } do
      assert.truthy(answer.body:find(word, 1, true), word)
    end
  end)

  it("answers 304 to who knows the generation already", function()
    local answer = statute.client:get("/v1/machines/door")
    local again = statute.client:get("/v1/machines/door", { ["If-None-Match"] = answer.headers.etag })
    assert.equal(304, again.status)
    assert.equal("", again.body)
  end)

  it("draws a machine in three ways", function()
    local svg = statute.client:get("/v1/machines/door/diagram.svg")
    assert.equal(200, svg.status)
    assert.truthy(svg.headers["content-type"]:find("^image/svg%+xml"))
    assert.truthy(svg.body:find("<svg", 1, true) and svg.body:find("</svg>", 1, true))
    local dot = statute.client:get("/v1/machines/door/diagram.dot")
    assert.equal(200, dot.status)
    assert.truthy(dot.body:find("digraph", 1, true))
    local mermaid = statute.client:get("/v1/machines/door/diagram.mmd")
    assert.equal(200, mermaid.status)
    assert.truthy(mermaid.body:find("stateDiagram", 1, true))
    for _, picture in ipairs { svg, dot, mermaid } do
      assert.truthy(picture.body:find("SHUT", 1, true) and picture.body:find("OPEN", 1, true))
    end
  end)

  it("draws an SVG that is well-formed XML", function()
    local svg = statute.client:get("/v1/machines/door/diagram.svg").body
    local status, _, complaint = server.run({ "python3", "-c", "import sys,xml.dom.minidom as m;m.parse(sys.stdin)" }, svg)
    assert.equal(0, status, complaint)
  end)

  it("of what is not loaded is 404", function()
    http.expect(statute.client:get("/v1/machines/gate"), 404, "unknown_machine")
    http.expect(statute.client:get("/v1/machines/gate/diagram.svg"), 404, "unknown_machine")
    http.expect(statute.client:get("/v1/machines/door/diagram.png"), 404, "not_found")
  end)

  describe("for operators", function()
    it("says that it lives and is ready", function()
      assert.equal(200, statute.client:get("/livez").status)
      assert.equal(200, statute.client:get("/readyz").status)
    end)

    it("says its version", function()
      assert.is_string(http.expect(statute.client:get("/version"), 200).version)
    end)

    it("describes the API as OpenAPI 3.1", function()
      local api = http.expect(statute.client:get("/openapi.json"), 200)
      assert.truthy(api.openapi:find("^3%.1"))
      for _, path in ipairs { "/v1/entities/{machine}", "/v1/entities/{machine}/{id}/transitions", "/v1/batches", "/v1/policies/reload",
                              "/v1/time/normalize", "/v1/sanitize", "/livez", "/metrics" } do
        assert.is_table(api.paths[path], path)
      end
    end)

    it("has an operation in the description for every call that it answers, and an answer for every operation", function()
      local api = http.expect(statute.client:get("/openapi.json"), 200)
      for path, operations in pairs(api.paths) do
        local target = path:gsub("{(%w+)}", { machine = "door", id = "00000000-0000-7000-8000-000000000000", diagram = "diagram.svg",
                                              offset = "330", name = "none" })
        target = target:gsub("{%w+}", "x")
        for method in pairs(operations) do
          if method == "get" and path ~= "/v1/events" then
            local answer = statute.client:get(target)
            assert.not_equal(405, answer.status, path)
            assert.is_not.equal("no call has this path; GET /openapi.json lists all calls", answer.json and answer.json.detail)
          end
        end
      end
    end)

    it("shows metrics as Prometheus text", function()
      statute:create("door", "m", { height = 5 })
      local answer = statute.client:get("/metrics")
      assert.equal(200, answer.status)
      assert.truthy(answer.headers["content-type"]:find("^text/plain"))
      local families = 0
      for line in answer.body:gmatch("[^\n]+") do
        if line:sub(1, 1) == "#" then
          families = families + (line:find("^# TYPE ") and 1 or 0)
          assert.truthy(line:find("^# HELP [%w_:]+ .") or line:find("^# TYPE [%w_:]+ %l+$"), line)
        else
          assert.truthy(line:find("^[%a_:][%w_:]* [%d.e+-]+$") or line:find("^[%a_:][%w_:]*{.*} [%d.e+-]+$"), line)
        end
      end
      assert.is_true(families > 5)
      assert.truthy(answer.body:find("statute_", 1, true))
    end)

    it("counts requests and attempts", function()
      local function total(name, label)
        local sum = 0
        for labels, value in statute.client:get("/metrics").body:gmatch("\n" .. name .. "{(.-)} (%d+)") do
          if labels:find(label, 1, true) then sum = sum + tonumber(value) end
        end
        return sum
      end
      local before = total("statute_attempts_total", 'code="ok"')
      statute:create("door", nil, { height = 5 })
      assert.equal(before + 1, total("statute_attempts_total", 'code="ok"'))
      before = total("statute_http_requests_total", 'status="404"')
      statute.client:get("/v1/nowhere")
      assert.equal(before + 1, total("statute_http_requests_total", 'status="404"'))
    end)
  end)

  describe("request ids", function()
    it("are on every answer, and differ", function()
      local first, second = statute.client:get("/livez").headers["x-request-id"], statute.client:get("/nowhere").headers["x-request-id"]
      assert.is_string(first)
      assert.is_string(second)
      assert.not_equal(first, second)
    end)

    it("are the client's own, if it sent one", function()
      for _, path in ipairs { "/livez", "/nowhere", "/v1/machines/none" } do
        assert.equal("abc-1", statute.client:get(path, { ["X-Request-Id"] = "abc-1" }).headers["x-request-id"])
      end
    end)

    it("are not taken over when they are no plain text", function()
      local answer = statute.client:get("/livez", { ["X-Request-Id"] = ("x"):rep(2000) })
      assert.is_true(#answer.headers["x-request-id"] <= 128)
    end)
  end)
end)
