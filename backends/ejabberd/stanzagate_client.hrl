%% What stanzagate_client and stanzagate_adoption share; all of it is of one client's ejabberd_c2s.

-define(U32, 16#ffffffff).
-define(KEEP_VERSION, 1).

%% As fast_xml has it.
-record(xmlel, {name = <<>> :: binary(), attrs = [] :: [{binary(), binary()}], children = [] :: [tuple()]}).

%% The other end's process, its number for the session, and what OPEN or ADOPT has told; users: of the domain, who the client may be
%% by its certificate.
-record(stanzagate, {gate :: pid(), number :: non_neg_integer(), epoch = 0 :: non_neg_integer(), peer, tls :: boolean(), exporter, cipher, users = [] :: [binary()]}).

%% What this process knows of its client; in its dictionary. Counts are as the gate counts, modulo 2^32, since the client was bound:
%% stanzas in and out, and all elements in. kept: what KEEP is made of, told: as the gate was last told. gate: the other end's process;
%% awaited: receipts for what the elements done have led to (stanzagate_receipts). jid: as jid:tolower/1 has it; source: of its messages, on
%% whichever node; again_until_ms: so long after an adoption some may come that have been handled before; tag: of the message that
%% is being given to the client (stanzagate_delivered).
-record(own, {
	in = 0, out = 0, elements = 0, bound = false, size_max = infinity, shaper = none, enable_in = 0, kept = #{}, told = #{},
	done = 0, done_cost = 0, is_marked = false, gate = none :: pid() | none, awaited = [],
	jid = none, source = <<>>, again_until_ms = none :: none | integer(), tag = none :: none | binary()
}).
