-- What two gates need in the first of two Prosodys (docs/prosody.md); the other has prosody-2, 192.0.2.12 and example.net.
-- Options of the whole server: they stand before the first VirtualHost.
plugin_paths = { "/usr/local/lib/prosody/modules" }
modules_enabled = {
	"roster"; "saslauth"; "tls"; "disco"; "carbons"; "pep"; "private"; "blocklist"; "vcard4"; "vcard_legacy"; "smacks"; "csi_simple";
	"mam"; "ping"; "version"; "time"; "limits";
	"stanzagate";
}

-- Half as much again before garbage is collected: half of the processor time of a stanza.
gc = { threshold = 150 }

-- The gates have the clients; nobody else shall come past them.
c2s_interfaces = { "127.0.0.1" }

stanzagate_name = "prosody-1"
stanzagate_ports = {}
stanzagate_tls_ports = { 5291 }
stanzagate_tls_interfaces = { "192.0.2.11" }
stanzagate_tls_gates = { "gate-1.internal", "gate-2.internal" }
stanzagate_tls_ssl = {
	certificate = "/etc/prosody/certs/prosody-1.internal.crt";
	key = "/etc/prosody/certs/prosody-1.internal.key";
	cafile = "/etc/prosody/certs/links-ca.pem";
}

VirtualHost "example.org"
Component "rooms.example.org" "muc"
