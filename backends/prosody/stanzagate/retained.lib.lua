-- The numbered frames of one link that its gate has not acknowledged (docs/link-protocol.md, section 6), in a ring of slots: a table
-- for each would be most of what a stanza leaves to the collector of garbage.
--
-- Pure. `sent` and `acked` count frames of the link, `bytes` those of the frames between.

-- A slot has session, name, payload, size, and the number in the session (0 where it has none).
local SLOT, SLOTS_LEAST, SLOTS_KEPT_MAX = 5, 64, 2048;

local function ring_new(slots)
	local ring = {};
	for i = 1, slots * SLOT do
		ring[i] = false;
	end
	return ring;
end

local retained_methods = {};
local retained_mt = { __index = retained_methods };

local function retained_new()
	return setmetatable({ ring = ring_new(SLOTS_LEAST), slots = SLOTS_LEAST, sent = 0, acked = 0, bytes = 0 }, retained_mt);
end

local function retained_grow(retained)
	local old, old_slots = retained.ring, retained.slots;
	local ring, slots = ring_new(old_slots * 2), old_slots * 2;
	for i = retained.acked + 1, retained.sent do
		local from = (i & old_slots - 1) * SLOT;
		table.move(old, from + 1, from + SLOT, (i & slots - 1) * SLOT + 1, ring);
	end
	retained.ring, retained.slots = ring, slots;
end

-- A frame that is sent now; size is that of all of it.
function retained_methods:add(session, name, payload, size, number)
	if self.sent - self.acked == self.slots then
		retained_grow(self);
	end
	local sent, ring = self.sent + 1, self.ring;
	local at = (sent & self.slots - 1) * SLOT;
	ring[at + 1], ring[at + 2], ring[at + 3], ring[at + 4], ring[at + 5] = session, name, payload, size, number;
	self.sent, self.bytes = sent, self.bytes + size;
end

-- The gate has acknowledged so many frames of the link: `acked` of each session becomes the number of its last one among them, and
-- `unacked_bytes` less; of those for which something is `held`, on_acked(session) is told.
function retained_methods:forget(count, on_acked)
	local ring, mask, bytes = self.ring, self.slots - 1, 0;
	for i = self.acked + 1, count do
		local at = (i & mask) * SLOT;
		local session, size, number = ring[at + 1], ring[at + 4], ring[at + 5];
		if number > 0 then
			session.acked = number;
		end
		bytes, session.unacked_bytes = bytes + size, session.unacked_bytes - size;
		ring[at + 1], ring[at + 3] = false, false;
		if session.held then
			on_acked(session);
		end
	end
	self.acked, self.bytes = count, self.bytes - bytes;
	if count == self.sent and self.slots > SLOTS_KEPT_MAX then
		self.ring, self.slots = ring_new(SLOTS_LEAST), SLOTS_LEAST;
	end
end

-- visit(session, name, payload, number) for each frame that is not acknowledged, in order.
function retained_methods:each(visit)
	for i = self.acked + 1, self.sent do
		local at = (i & self.slots - 1) * SLOT;
		visit(self.ring[at + 1], self.ring[at + 2], self.ring[at + 3], self.ring[at + 5]);
	end
end

return retained_new;
