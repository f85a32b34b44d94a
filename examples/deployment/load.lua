-- For wrk: creates an entity with each request, and may be repeated, since it carries an
-- Idempotency-Key. How to use: wrk -t2 -c32 -d60s -s examples/deployment/load.lua http://HOST:PORT
-- with STATUTE_TOKEN set, unless the server runs with --auth none. Prints answers by status.
local token = os.getenv "STATUTE_TOKEN"
local threads = {}

function setup(thread)
  thread:set("id", #threads)
  thread:set("run", tostring(os.time()))
  threads[#threads + 1] = thread
end

local count = 0
local answers = {}

function request()
  count = count + 1
  local name = ("load-%s-%d-%d"):format(run, id, count)
  local headers = { ["Content-Type"] = "application/json", ["Idempotency-Key"] = name,
                    Authorization = token and "Bearer " .. token or nil }
  return wrk.format("POST", "/v1/entities/task", headers, ('{"id":"%s","data":{"assigned_to":"u1"}}'):format(name))
end

function response(status)
  answers[status] = (answers[status] or 0) + 1
  by_status = ""
  for code, number in pairs(answers) do by_status = by_status .. ("%d x %d  "):format(number, code) end
end

function done(summary)
  for _, thread in ipairs(threads) do print("answers: " .. (thread:get "by_status" or "none")) end
  local e = summary.errors
  print(("socket errors: connect %d, read %d, write %d, timeout %d"):format(e.connect, e.read, e.write, e.timeout))
end
