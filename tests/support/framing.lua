-- Requests that no decent client sends: their framing is wrong in some way, and each hides a second request.
local framing = {}

local function lines(...) return table.concat({ ... }, "\r\n") end

local BODY = '{"id":"smuggled"}'

-- Requests whose framing is wrong. If the server believed any of them, a second request hidden inside would make an entity.
local HIDDEN = lines("POST /v1/entities/any HTTP/1.1", "Host: x", "Content-Type: application/json", "Content-Length: " .. #BODY, "", BODY)

local function post(headers, body)
  return lines("POST /v1/entities/any HTTP/1.1", "Host: x", "Content-Type: application/json", headers, "", body)
end

framing.requests = {
  ["two different lengths"]           = post("Content-Length: 2\r\nContent-Length: " .. 2 + #HIDDEN, "{}" .. HIDDEN),
  ["a list of lengths"]               = post("Content-Length: 2, 5", "{}" .. HIDDEN),
  ["a length and chunks"]             = post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n" .. HIDDEN),
  ["an unknown transfer encoding"]    = post("Transfer-Encoding: gzip", HIDDEN),
  ["a list of transfer encodings"]    = post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n" .. HIDDEN),
  ["chunked twice"]                   = post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n" .. HIDDEN),
  ["a space before the colon"]        = post("Transfer-Encoding : chunked", "0\r\n\r\n" .. HIDDEN),
  ["a length with a plus"]            = post("Content-Length: +2", "{}" .. HIDDEN),
  ["a negative length"]               = post("Content-Length: -2", "{}" .. HIDDEN),
  ["a hexadecimal length"]            = post("Content-Length: 0x2", "{}" .. HIDDEN),
  ["an empty length"]                 = post("Content-Length: ", "{}" .. HIDDEN),
  ["a length without end"]            = post("Content-Length: 99999999999999999999999", "{}" .. HIDDEN),
  ["a chunk size with 0x"]            = post("Transfer-Encoding: chunked", "0x2\r\n{}\r\n0\r\n\r\n" .. HIDDEN),
  ["a chunk size with a plus"]        = post("Transfer-Encoding: chunked", "+2\r\n{}\r\n0\r\n\r\n" .. HIDDEN),
  ["a chunk size with a space"]       = post("Transfer-Encoding: chunked", "2 \r\n{}\r\n0\r\n\r\n" .. HIDDEN),
  ["a chunk size that is none"]       = post("Transfer-Encoding: chunked", "zz\r\n{}\r\n0\r\n\r\n" .. HIDDEN),
  ["a chunk without its end"]         = post("Transfer-Encoding: chunked", "2\r\n{}0\r\n\r\n" .. HIDDEN),
  ["a folded header"]                 = post("X-A: b\r\n c\r\nContent-Length: 2", "{}" .. HIDDEN),
  ["an empty header name"]            = post(": x\r\nContent-Length: 2", "{}" .. HIDDEN),
  ["a header name with a space"]      = post("X A: b\r\nContent-Length: 2", "{}" .. HIDDEN),
  ["a header without a colon"]        = post("XA\r\nContent-Length: 2", "{}" .. HIDDEN),
  ["a NUL in a header"]               = post("X-A: b\0c\r\nContent-Length: 2", "{}" .. HIDDEN),
  ["a bare line feed"]                = "POST /v1/entities/any HTTP/1.1\nHost: x\nContent-Length: 2\n\n{}" .. HIDDEN,
  ["no host"]                         = lines("POST /v1/entities/any HTTP/1.1", "Content-Length: 2", "", "{}") .. HIDDEN,
  ["two hosts"]                       = lines("POST /v1/entities/any HTTP/1.1", "Host: x", "Host: y", "Content-Length: 2", "", "{}") .. HIDDEN,
  ["an absolute target"]              = lines("POST http://evil/v1/entities/any HTTP/1.1", "Host: x", "Content-Length: 2", "", "{}") .. HIDDEN,
  ["a doubled slash"]                 = lines("POST //v1/entities/any HTTP/1.1", "Host: x", "Content-Length: 2", "", "{}") .. HIDDEN,
  ["a version from the future"]       = lines("POST /v1/entities/any HTTP/1.2", "Host: x", "Content-Length: 2", "", "{}") .. HIDDEN,
  ["another protocol"]                = lines("POST /v1/entities/any SPDY/3", "Host: x", "Content-Length: 2", "", "{}") .. HIDDEN,
  ["HTTP/2 in the clear"]             = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" .. ("\0"):rep(40),
  ["a TLS hello"]                     = "\22\3\1\2\0\1\0\1\252\3\3" .. ("\170"):rep(300) .. "\r\n\r\n",
  ["line noise"]                      = ("\1\2\3\255\254"):rep(50) .. "\r\n\r\n",
  ["a space too many"]                = lines("POST  /v1/entities/any HTTP/1.1", "Host: x", "Content-Length: 2", "", "{}") .. HIDDEN,
}

framing.post = post

return framing
