-- What clients saw while the one node on SQLite died, or its disk took nothing more.
local history  = require "tests.support.history"
local http     = require "tests.support.http"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

describe("a node on SQLite", function()
  local statute, directory

  before_each(function() directory = policies.temporary() end)
  after_each(function()
    if statute then statute:stop() end
    os.execute(("umount %s/disk 2>/dev/null"):format(directory))
    policies.remove(directory)
    statute = nil
  end)

  local function start()
    os.execute("mkdir -p " .. directory .. "/disk")
    statute = server.start { policies = { ["walk.lua"] = history.WALK }, store = "sqlite:" .. directory .. "/disk/x.db" }
  end

  local function prove(name, meanwhile)
    local calls = history.run { nodes = { statute }, clients = 16, next = history.walks(10), meanwhile = meanwhile, patience = 40 }
    local figures = history.prove(name, statute, calls)
    statute:stop(true)
    local status, out, err = server.statute { "audit", "verify", "--store", statute.store }
    assert.equal(0, status, out .. err)
    assert.is_true(figures.done > 20)
    return figures
  end

  it("may be killed with work in flight, again and again", function()
    start()
    local figures = prove("SQLite, node killed", function(pause)
      for _ = 1, 5 do
        pause(0.2)
        statute:kill9()
        statute:restart()
      end
    end)
    assert.is_true(figures.unknown > 0)
  end)

  -- While it is, whoever asks is told that nothing was done; `full` and `empty` make it so and end it.
  local function prove_full(name, full, empty)
    local refused
    local figures = prove(name, function(pause)
      for round = 1, 2 do
        pause(0.3)
        full()
        pause(0.5)
        refused = statute.client:post("/v1/entities/walk", { id = "while-full-" .. round })
        http.expect(refused, 503, "store_unavailable")
        assert.equal("not_executed", refused.json.outcome)
        empty()
      end
    end)
    assert.is_true(figures.nothing > 0)
  end

  -- The log alone takes 16 MiB before it is folded in: a disk without that much never has room again.
  -- No root is needed to let every write behind the first page of a file fail.
  it("whose disk refuses to write says so, and goes on when it can", function()
    start()
    local function limit(bytes) assert(os.execute(("prlimit --pid %d --fsize=%s:unlimited"):format(statute.pid, bytes))) end
    prove_full("SQLite, writes refused", function() limit "4096" end, function() limit "unlimited" end)
  end)

  -- A real file system that fills up wants a mount of its own, which not every machine permits.
  local may_mount = os.execute "unshare --mount mount -t tmpfs none /mnt 2>/dev/null"
  if not may_mount then print "no file system may be mounted here: the spec of the full disk is left to the one above" end
  local spec = may_mount and it or function() end

  spec("whose disk is full says so, and goes on when there is room", function()
    os.execute("mkdir -p " .. directory .. "/disk")
    assert(os.execute(("mount -t tmpfs -o size=64m none %s/disk"):format(directory)))
    start()
    local ballast = directory .. "/disk/ballast"
    prove_full("SQLite, disk full", function() os.execute(("cat /dev/zero >%s 2>/dev/null"):format(ballast)) end,
      function() os.remove(ballast) end)
  end)
end)
