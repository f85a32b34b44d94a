-- Keys and JWTs for tests, made at run time with the openssl command.
--
--   local keys = token.keys(directory)                  -- one of each algorithm: keys.HS256, keys.RS256, keys.ES256
--   token.write_set(path, { keys.RS256, keys.ES256 })   -- the public parts, as a JWK Set
--   token.sign(keys.RS256, { sub = "ann" })             -- exp in ten minutes, unless it says otherwise
local json     = require "tests.support.json"
local mime     = require "mime"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local token = {}

local function openssl(arguments, input)
  local status, out, err = server.run({ "openssl", table.unpack(arguments) }, input)
  assert(status == 0, err)
  return out
end

function token.base64url(bytes) return (mime.b64(bytes):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" })) end

local function from_hex(hex) return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end)) end
local function to_hex(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

-- --- keys ---

local make = {}

function make.HS256(key)
  key.secret = from_hex(openssl { "rand", "-hex", "32" }:match("%x+"))
  key.jwk = { kty = "oct", k = token.base64url(key.secret) }
end

function make.RS256(key)
  openssl { "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key.path }
  local modulus = openssl { "rsa", "-in", key.path, "-noout", "-modulus" }:match("Modulus=(%x+)")
  key.jwk = { kty = "RSA", n = token.base64url(from_hex(modulus)), e = "AQAB" }
end

-- The public key's DER ends with the point: 4, x, y.
function make.ES256(key)
  openssl { "genpkey", "-quiet", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key.path }
  local point = openssl { "pkey", "-in", key.path, "-pubout", "-outform", "DER" }:sub(-64)
  key.jwk = { kty = "EC", crv = "P-256", x = token.base64url(point:sub(1, 32)), y = token.base64url(point:sub(33)) }
end

function token.key(directory, algorithm, id)
  local key = { algorithm = algorithm, path = directory .. "/" .. id .. ".pem" }
  make[algorithm](key)
  key.jwk.kid = id
  return key
end

function token.keys(directory)
  local keys = {}
  for algorithm in pairs(make) do keys[algorithm] = token.key(directory, algorithm, algorithm:lower()) end
  return keys
end

function token.write_set(path, keys)
  local list = json.array()
  for i, key in ipairs(keys) do list[i] = key.jwk end
  policies.write_file(path, json.encode { keys = list })
end

-- --- signatures ---

-- An integer of DER as 32 bytes, and where the next one begins.
local function read_integer(der, at)
  local length = der:byte(at + 1)
  local bytes = der:sub(at + 2, at + 1 + length):gsub("^\0+", "")
  return ("\0"):rep(32 - #bytes) .. bytes, at + 2 + length
end

local sign = {}

function sign.HS256(key, input)
  return openssl({ "dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:" .. to_hex(key.secret), "-binary" }, input)
end

function sign.RS256(key, input) return openssl({ "dgst", "-sha256", "-sign", key.path }, input) end

function sign.ES256(key, input)
  local der = openssl({ "dgst", "-sha256", "-sign", key.path }, input)
  local r, at = read_integer(der, 3)
  return r .. read_integer(der, at)
end

-- `header`: members to add or, with false, to leave out.
function token.sign(key, claims, header)
  local head = { alg = key.algorithm, kid = key.jwk.kid, typ = "JWT" }
  for name, value in pairs(header or {}) do head[name] = value or nil end
  local body = { exp = os.time() + 600 }
  for name, value in pairs(claims) do body[name] = value end
  local input = token.base64url(json.encode(head)) .. "." .. token.base64url(json.encode(body))
  return input .. "." .. token.base64url(sign[key.algorithm](key, input))
end

return token
