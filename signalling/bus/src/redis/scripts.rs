//! What Redis does as one step.

use ::redis::Script;

/// The scripts, with their digests.
pub(super) struct Scripts {
    pub(super) swap: Script,
    pub(super) join: Script,
    pub(super) beat: Script,
    pub(super) leave: Script,
    pub(super) send: Script,
    pub(super) push: Script,
    pub(super) claim: Script,
    pub(super) renew: Script,
    pub(super) done: Script,
    pub(super) fail: Script,
    pub(super) retry: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let held = |rest: &str| Script::new(&format!("{HELD}{rest}"));
        Self {
            swap: Script::new(SWAP),
            join: Script::new(JOIN),
            beat: Script::new(BEAT),
            leave: Script::new(LEAVE),
            send: Script::new(SEND),
            push: Script::new(PUSH),
            claim: Script::new(CLAIM),
            renew: held(RENEW),
            done: held(DONE),
            fail: held(FAIL),
            retry: Script::new(RETRY),
        }
    }
}

/// KEYS: a text. ARGV: what it must be, what it is to be (empty: not there), milliseconds to live
/// (0: for good). 1 if it was.
const SWAP: &str = "
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
    redis.call('DEL', KEYS[1])
elseif ARGV[3] == '0' then
    redis.call('SET', KEYS[1], ARGV[2])
else
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1";

/// KEYS: a node. ARGV: incarnation, description, lease. Whoever had the name is thereby gone.
const JOIN: &str = "
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return 1";

/// KEYS: a node. ARGV: incarnation, description, lease, the inbox's life. 1: known; 0: was
/// missing, and is there again; -1: another has the name.
const BEAT: &str = "
local is = redis.call('GET', KEYS[1])
if is and string.match(is, '^%S+') ~= ARGV[1] then return -1 end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
redis.call('PEXPIRE', KEYS[1] .. ':' .. ARGV[1], ARGV[4])
return is and 1 or 0";

/// KEYS: a node. ARGV: incarnation.
const LEAVE: &str = "
local is = redis.call('GET', KEYS[1])
if is and string.match(is, '^%S+') == ARGV[1] then redis.call('DEL', KEYS[1]) end
redis.call('DEL', KEYS[1] .. ':' .. ARGV[1])
return 1";

/// KEYS: a node. ARGV: messages at most, the message, the inbox's life. 1: it is in the inbox; -1:
/// the node is away; -2: the inbox is full.
const SEND: &str = "
local is = redis.call('GET', KEYS[1])
if not is then return -1 end
local inbox = KEYS[1] .. ':' .. string.match(is, '^%S+')
if redis.call('LLEN', inbox) >= tonumber(ARGV[1]) then return -2 end
redis.call('RPUSH', inbox, ARGV[2])
redis.call('PEXPIRE', inbox, ARGV[3])
return 1";

/// KEYS: a queue's. ARGV: key, payload, jobs at most. 1: added; 0: there already; -2: full.
const PUSH: &str = "
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return 0 end
if redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[3]) then return -2 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('XADD', KEYS[1], '*', 'key', ARGV[1])
return 1";

/// KEYS: a queue's. ARGV: consumer, lease, attempts at most, why a silent job is dead. Jobs whose
/// pause is over go back onto the stream; then somebody's whose lease has ended is taken, else the
/// next. Gives key, payload, attempt and entry, or nothing. What is acknowledged is deleted, so
/// the stream holds no more entries than there are jobs.
const CLAIM: &str = "
redis.pcall('XGROUP', 'CREATE', KEYS[1], 'workers', '0', 'MKSTREAM')
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, 64)) do
    redis.call('ZREM', KEYS[4], key)
    redis.call('XADD', KEYS[1], '*', 'key', key)
end
for _ = 1, 64 do
    local idle = redis.call('XPENDING', KEYS[1], 'workers', 'IDLE', ARGV[2], '-', '+', 1)
    local entries
    if #idle > 0 then
        entries = redis.call('XCLAIM', KEYS[1], 'workers', ARGV[1], ARGV[2], idle[1][1])
    else
        local read = redis.call('XREADGROUP', 'GROUP', 'workers', ARGV[1], 'COUNT', 1,
            'STREAMS', KEYS[1], '>')
        if not read then return false end
        entries = read[1][2]
    end
    local id, key = entries[1][1], entries[1][2][2]
    local payload = redis.call('HGET', KEYS[2], key)
    local attempt = redis.call('HINCRBY', KEYS[3], key, 1)
    if payload and attempt <= tonumber(ARGV[3]) then return {key, payload, attempt, id} end
    redis.call('XACK', KEYS[1], 'workers', id)
    redis.call('XDEL', KEYS[1], id)
    if payload then
        redis.call('HINCRBY', KEYS[3], key, -1)
        redis.call('HSET', KEYS[5], key, ARGV[4])
    else
        redis.call('HDEL', KEYS[3], key)
    end
end
return false";

/// In front of what a consumer does to a job that it holds. KEYS: a queue's. ARGV: key, attempt,
/// entry, consumer. 0: it is not held by this attempt.
const HELD: &str = "
local pending = redis.pcall('XPENDING', KEYS[1], 'workers', ARGV[3], ARGV[3], 1)
if pending.err or #pending == 0 or pending[1][2] ~= ARGV[4] then return 0 end
if redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[2] then return 0 end
";

const RENEW: &str = "
redis.call('XCLAIM', KEYS[1], 'workers', ARGV[4], 0, ARGV[3], 'JUSTID')
return 1";

const DONE: &str = "
redis.call('XACK', KEYS[1], 'workers', ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
return 1";

/// ARGV besides: the pause (empty: no further attempt), the reason.
const FAIL: &str = "
redis.call('XACK', KEYS[1], 'workers', ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
if ARGV[5] == '' then
    redis.call('HSET', KEYS[5], ARGV[1], ARGV[6])
else
    local clock = redis.call('TIME')
    local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
    redis.call('ZADD', KEYS[4], now + ARGV[5], ARGV[1])
end
return 1";

/// KEYS: a queue's. ARGV: key. 1 if it was dead.
const RETRY: &str = "
if redis.call('HDEL', KEYS[5], ARGV[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('XADD', KEYS[1], '*', 'key', ARGV[1])
return 1";
