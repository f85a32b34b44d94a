local server = require "tests.support.server"

describe("the command line", function()
  local function help(...) return server.statute { ... } end

  it("lists its commands", function()
    local status, out = help "--help"
    assert.equal(0, status)
    for _, command in ipairs { "serve", "check", "eval", "import", "export", "audit", "token", "version" } do
      assert.truthy(out:find(command, 1, true), command)
    end
  end)

  for _, command in ipairs {
    { "serve" }, { "check" }, { "eval" }, { "graph" }, { "import" }, { "export" }, { "audit", "verify" }, { "audit", "export" },
    { "token", "create" }, { "token", "list" }, { "token", "revoke" }, { "verify" }, { "version" },
  } do
    local name = table.concat(command, " ")
    it("explains " .. name, function()
      local words = { table.unpack(command) }
      words[#words + 1] = "--help"
      local status, out, err = server.statute(words)
      assert.equal(0, status, err)
      assert.truthy(out:find(name, 1, true))
      assert.equal("", err)
      for line in out:gmatch("[^\n]+") do assert.is_true(utf8.len(line) <= 200, line) end
    end)

    it("refuses an option that " .. name .. " does not have", function()
      local words = { table.unpack(command) }
      words[#words + 1] = "--no-such-option"
      local status, _, err = server.statute(words)
      assert.equal(2, status)
      assert.truthy(err:find("no-such-option", 1, true))
    end)
  end

  it("has every limit of the server in its help", function()
    local _, out = help("serve", "--help")
    for _, word in ipairs { "--listen", "--policies", "--store", "--lock", "--workers", "--http-threads", "--auth", "--log-format",
                            "127.0.0.1:8080", "sqlite:statute.db", "413", "414", "431", "408" } do
      assert.truthy(out:find(word, 1, true), word)
    end
  end)

  it("says its version", function()
    local status, out = help "version"
    assert.equal(0, status)
    assert.truthy(out:find("%d+%.%d+"))
  end)

  it("exits with 2 for a command that it does not know, and suggests one", function()
    local status, _, err = help "chekc"
    assert.equal(2, status)
    assert.truthy(err:find("check", 1, true))
    assert.equal(2, (help()))
  end)

  it("exits with 3 when the environment fails", function()
    assert.equal(3, (help("serve", "--policies", "/nowhere", "--store", "sqlite:/tmp/never-made.db", "--listen", "127.0.0.1:0")))
  end)
end)
