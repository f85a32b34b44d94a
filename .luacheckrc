-- luacheck's rules: policies and scripts are Lua 5.4. A policy sees the constructors below and what
-- CONTRACT section 2 leaves of Lua's own library; specs see busted's words, and those of policies `decide`
-- (tests/support/decide.lua).
std = "lua54"
max_line_length = 180
cache = false
exclude_files = { "policies/.definitions" } -- for language servers: declarations without bodies

stds.policy = {
  read_globals = {
    "assert", "error", "ipairs", "next", "pairs", "pcall", "require", "select", "tonumber", "tostring", "type",
    "table", "math", "utf8", "string", "time",
    "machine", "roles", "pii", "access", "directory", "webhooks", "any",
  },
}

files["policies"] = { std = "policy" }
files["examples/authzen/policies"] = { std = "policy" }
files["policies/**/*_spec.lua"] = { std = "lua54+busted", read_globals = { "decide" } }
files["tests"] = { std = "lua54+busted" }
files["tests/support/decide.lua"] = { globals = { "decide" } }
files["scripts/migrations"] = { read_globals = { "migration", "time" } }
files["scripts/bench.lua"] = { globals = { "setup", "init", "request", "response", "done" }, read_globals = { "wrk" } } -- wrk's hooks
files["examples/deployment/load.lua"] = { globals = { "setup", "request", "response", "done", "by_status" }, read_globals = { "wrk", "id", "run" } }
