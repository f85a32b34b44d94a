-- Policy directories for tests: a table of file name -> source, written to a fresh temporary directory.
local lfs = require "lfs"

local policies = {}

local function make_directories(path)
  local at = path:sub(1, 1) == "/" and "" or "."
  for part in path:gmatch("[^/]+") do
    at = at .. "/" .. part
    if not lfs.attributes(at, "mode") then assert(lfs.mkdir(at)) end
  end
end

function policies.temporary()
  local pipe = assert(io.popen("mktemp -d ${TMPDIR:-/tmp}/statute-test.XXXXXX"))
  local path = pipe:read("l")
  pipe:close()
  return assert(path, "mktemp failed")
end

function policies.write_file(path, source)
  make_directories(path:match("^(.*)/"))
  -- whole or not at all, so that a server that watches never reads half a file
  local file = assert(io.open(path .. ".new", "wb"))
  file:write(source)
  file:close()
  assert(os.rename(path .. ".new", path))
end

function policies.read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local bytes = file:read("a")
  file:close()
  return bytes
end

-- Writes the files into `directory` (default: a new one) and returns its path.
function policies.write(files, directory)
  directory = directory or policies.temporary() .. "/policies"
  make_directories(directory)
  for name, source in pairs(files) do policies.write_file(directory .. "/" .. name, source) end
  return directory
end

function policies.remove(directory)
  assert(directory:find("/statute%-test%."), "only temporary directories are removed")
  os.execute("rm -rf '" .. directory .. "'")
end

return policies
