---@meta
-- Types of the policy language, for the Lua language server. statute never loads this file; README.md is the guide.

---@alias statute.instant integer microseconds since 1970-01-01T00:00:00Z
---@alias statute.duration string "30d", "24h", "5m", "10s", "50ms", "1h30m", or ISO 8601
---@alias statute.data table<string, any>
---@alias statute.guard fun(data: statute.data, ctx: statute.ctx): boolean?, string?
---@alias statute.effect fun(data: statute.data, ctx: statute.ctx): statute.effects?
---@alias statute.permit fun(actor: statute.actor, data: statute.data, ctx: statute.ctx): boolean?, string?
---@class statute.any
---@alias statute.permission string|statute.permit|statute.any|statute.permission[]
---@alias statute.type "string"|"integer"|"number"|"boolean"|"datetime"|"date"|"duration"|"object"|"array"|"any"

---@class statute.actor
---@field id string
---@field roles (string|{ role: string, within: string })[]
---@field permissions string[]
---@field attributes table<string, any>

---@class statute.entity
---@field machine string
---@field id string
---@field state string
---@field version integer
---@field data statute.data
---@field created_at statute.instant
---@field updated_at statute.instant

---@class statute.ctx
---@field now statute.instant
---@field actor? statute.actor
---@field reason string
---@field comments? string
---@field metadata table<string, any>
---@field from? string
---@field to? string
---@field transition? string the verb
---@field id string
---@field version integer
---@field machine string
---@field patch statute.data
---@field dry_run boolean
local ctx = {}

---An entity of a machine, or an entry of a directory (then `type`, `id` and `data` only).
---@param machine string
---@param id string?
---@return statute.entity?
function ctx:find(machine, id) end

---True if the actor holds the permission, within this entity's tenant.
---@param permission string
---@return boolean
function ctx:may(permission) end

---The number of entities.
---@param query { machine?: string, state?: string|string[], where?: table<string, any> }
---@return integer
function ctx:count(query) end

---@class statute.effects
---@field set? statute.data
---@field unset? string[]
---@field emit? { type: string, data?: any }[]
---@field follow? { machine: string, id: string, to?: string, transition?: string, comments?: string, metadata?: table, data?: statute.data }[]
---@field create? { machine: string, id?: string, data?: statute.data }[]

---@class statute.field
---@field type statute.type
---@field doc? string
---@field required? boolean
---@field default? any
---@field enum? any[]
---@field min? number
---@field max? number
---@field immutable? boolean set at creation only
---@field editable_in? string[] the states in which requests may change it; empty: only effects set it
---@field permit? statute.permission who may change it
---@field deny? statute.permit|statute.permit[]
---@field index? boolean apps may filter lists by it

---@class statute.transition
---@field doc? string
---@field name? string the verb that requests may send in place of the state
---@field permit? statute.permission
---@field deny? statute.permit|statute.permit[]
---@field guard? statute.guard|statute.guard[]
---@field effect? statute.effect|statute.effect[]
---@field accepts? string[] the only fields that the request's data may have; empty: none
---@field internal? boolean only effects and timers can make it

---@class statute.act
---@field permit? statute.permission
---@field deny? statute.permit|statute.permit[]
---@field guard? statute.guard|statute.guard[]

---@class statute.read
---@field permit? statute.permission
---@field deny? statute.permit|statute.permit[]

---@class statute.timer
---@field delay statute.duration|fun(data: statute.data, ctx: statute.ctx): statute.duration|statute.instant|nil
---@field to string
---@field reason? string
---@field comments? string
---@field retry? statute.duration after a refusal the timer fires again; without it, it fires once

---@class statute.state
---@field doc? string
---@field renamed_from? string the state's former name
---@field final? boolean
---@field to? table<string, true|statute.transition|statute.transition[]>
---@field choose? table<string, fun(data: statute.data, ctx: statute.ctx): string>
---@field update? statute.act
---@field require? statute.guard|statute.guard[]
---@field on_enter? statute.effect|statute.effect[]
---@field on_exit? statute.effect|statute.effect[]
---@field after? statute.timer|statute.timer[]

---@class statute.machine
---@field doc? string
---@field renamed_from? string the machine's former name
---@field initial string
---@field fields? table<string, statute.type|statute.field>
---@field strict? boolean
---@field states table<string, statute.state>
---@field create? statute.act
---@field update? statute.act
---@field read? statute.read
---@field prepare? fun(data: statute.data, ctx: statute.ctx): statute.data
---@field validate? fun(data: statute.data, ctx: statute.ctx): table<string, string>?
---@field warn? fun(data: statute.data, ctx: statute.ctx): string|string[]|nil
---@field isolation? "read committed"|"repeatable read"|"serializable"
---@field within? string|fun(data: statute.data): string? the tenant: a field's name, or a function
---@field lock? { timeout?: statute.duration, wait?: statute.duration }
---@field retries? integer
---@field table? { name: string, id: string, state: string, version?: string, fields?: table<string, string> } an application's own table

---@param name string
---@return fun(declaration: statute.machine): any
function machine(name) end

---@param declaration table<string, string[]|{ inherits?: string|string[], except?: string|string[] }>
function roles(declaration) end

---An entry without a dot is a key at any depth; one with dots is a path from the root: "customer.address.street",
---"contacts.*.phone" (`*`: any one member or item), "**.note.text" (`**`: any number of levels).
---@param declaration { doc?: string, machines?: string[], drop?: string[], mask?: table<string, "last4"|"domain">, hash?: string[], redact?: ("email"|"card"|"ssn"|"phone"|"iban")[] }
function pii(declaration) end

---@param name string
---@return fun(declaration: { doc?: string, within?: string|fun(resource: table): string?, deny?: function|function[], actions: table<string, statute.permission|{ permit: statute.permission, deny?: function|function[] }> }): any
function access(name) end

---@alias statute.listed table<string, table<string, table<string, any>>> type = { id = { properties } }
---@param declaration { doc?: string, subjects?: statute.listed, resources?: statute.listed }
function directory(declaration) end

---@param list { url: string, machines?: string[], events?: string[], secret?: string, when?: fun(event: table): boolean }[]
function webhooks(list) end

time = {}

---@param x any
---@return boolean
function time.valid_offset(x) end

---@param datetime string a naive local datetime
---@param offset_or_zone integer|string
---@param disambiguate? "compatible"|"earlier"|"later"|"reject"
---@return statute.instant
function time.to_utc(datetime, offset_or_zone, disambiguate) end

---@param t statute.instant|string
---@param offset_or_zone integer|string
---@return string
function time.to_local(t, offset_or_zone) end

---@param minutes integer
---@return string
function time.offset_name(minutes) end

---@param minutes integer
---@return { offset_minutes: integer, offset_hours: number, name: string, is_valid: boolean, utc_offset_string: string }
function time.offset_info(minutes) end

---@param text string RFC 3339 with an offset
---@return statute.instant instant
---@return integer offset_minutes
function time.parse(text) end

---@param t statute.instant|string
---@param tolerance? statute.duration "5m"
---@return boolean
function time.not_future(t, tolerance) end

---@param t statute.instant|string
---@param offset_or_zone? integer|string UTC without one
---@return string
function time.format(t, offset_or_zone) end

---@param t statute.instant|string
---@param duration statute.duration|integer "P1M", "1h30m", or microseconds
---@param offset_or_zone? integer|string by its calendar; UTC without one
---@return statute.instant
function time.add(t, duration, offset_or_zone) end

---@param a statute.instant|string
---@param b statute.instant|string
---@param offset_or_zone? integer|string by its calendar
---@return integer|string difference microseconds, or "P1M2DT3H" with an offset or zone
function time.diff(a, b, offset_or_zone) end

---@param t statute.instant|string
---@param offset_or_zone? integer|string
---@return string
function time.date(t, offset_or_zone) end

---@param text statute.duration
---@return integer microseconds
function time.duration(text) end

---@return string[]
function time.zones() end

---For specs: the decision of the policies about a request. `statute eval --help` lists the request's members.
---@param request table
---@return table
function decide(request) end

---One of these permissions is enough.
---@param permissions statute.permission[]
---@return statute.any
function any(permissions) end
