-- The audit's hash chain, computed again from its documentation alone:
-- hash = SHA-256(previous_hash as 64 lower-case hex digits || canonical JSON (RFC 8785) of the record without
-- `hash` and `previous_hash`); the first record of an entity has sequence 1 and 64 zeros as previous_hash.
local json = require "tests.support.json"

local chain = {}

-- --- SHA-256 (FIPS 180-4) ---

local K = {}
do
  -- the first 32 bits of the fractional parts of the cube roots of the first 64 primes
  local function is_prime(n)
    for d = 2, math.floor(n ^ 0.5) do if n % d == 0 then return false end end
    return true
  end
  local n = 2
  while #K < 64 do
    if is_prime(n) then
      local root = n ^ (1 / 3)
      K[#K + 1] = math.floor((root % 1) * 2 ^ 32)
    end
    n = n + 1
  end
end
local START = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 }

local function rotate(x, n) return ((x >> n) | (x << (32 - n))) & 0xffffffff end

local function compress(state, block, at)
  local w = { string.unpack(">I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4", block, at) }
  for i = 17, 64 do
    local a, b = w[i - 15], w[i - 2]
    local s0 = rotate(a, 7) ~ rotate(a, 18) ~ (a >> 3)
    local s1 = rotate(b, 17) ~ rotate(b, 19) ~ (b >> 10)
    w[i] = (w[i - 16] + s0 + w[i - 7] + s1) & 0xffffffff
  end
  local a, b, c, d, e, f, g, h = table.unpack(state)
  for i = 1, 64 do
    local s1 = rotate(e, 6) ~ rotate(e, 11) ~ rotate(e, 25)
    local t1 = h + s1 + ((e & f) ~ (~e & g)) + K[i] + w[i]
    local s0 = rotate(a, 2) ~ rotate(a, 13) ~ rotate(a, 22)
    local t2 = s0 + ((a & b) ~ (a & c) ~ (b & c))
    a, b, c, d, e, f, g, h = (t1 + t2) & 0xffffffff, a, b, c, (d + t1) & 0xffffffff, e, f, g
  end
  local now = { a, b, c, d, e, f, g, h }
  for i = 1, 8 do state[i] = (state[i] + now[i]) & 0xffffffff end
end

function chain.sha256(text)
  local padded = text .. "\128" .. ("\0"):rep((55 - #text) % 64) .. string.pack(">I8", #text * 8)
  local state = table.move(START, 1, 8, 1, {})
  for at = 1, #padded, 64 do compress(state, padded, at) end
  return (("%08x"):rep(8)):format(table.unpack(state))
end

-- Decodes with nulls kept, so that the record can be written again as it was.
function chain.decode(text)
  return assert(json.decode(text, json.null))
end

function chain.hash_of(record)
  local bare = {}
  for key, value in pairs(record) do
    if key ~= "hash" and key ~= "previous_hash" then bare[key] = value end
  end
  return chain.sha256(record.previous_hash .. json.encode(bare))
end

-- Checks the whole history of one entity: true, or nil and what is wrong. `items` come from chain.decode.
function chain.verify(items)
  local previous = ("0"):rep(64)
  for i, record in ipairs(items) do
    if record.sequence ~= i then return nil, ("record %d has sequence %s"):format(i, tostring(record.sequence)) end
    if record.previous_hash ~= previous then return nil, ("record %d does not follow its predecessor"):format(i) end
    if chain.hash_of(record) ~= record.hash then return nil, ("record %d has another hash"):format(i) end
    previous = record.hash
  end
  return true
end

return chain
