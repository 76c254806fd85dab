/* In-band registration with a whole server. */
#include "server.h"
#include "stage.h"
#include <criterion/criterion.h>

static void begin(void)
{
	stage_begin(true);
}

TestSuite(registering, .init = begin, .fini = stage_end);

Test(registering, XEP0077_account_is_made_and_used)
{
	gate_open(&gate, 1, "example.com", NULL);
	gate_put(&gate, 1, "<iq type='get' id='r1'><query xmlns='jabber:iq:register'/></iq>");
	gate_expect_element(&gate, 1, "<username/><password/></query></iq>");
	gate_put(&gate, 1,
		 "<iq type='set' id='r2'><query xmlns='jabber:iq:register'><username>Nurse</username>"
		 "<password>angelica</password></query></iq>");
	gate_expect_element(&gate, 1, "<iq type='result' id='r2'></iq>");
	gate_put(&gate, 1,
		 "<iq type='set' id='r3'><query xmlns='jabber:iq:register'><username>juliet</username>"
		 "<password>mine now</password></query></iq>");
	gate_expect_element(&gate, 1, "<conflict ");
	gate_put(&gate, 1,
		 "<iq type='set' id='r4'><query xmlns='jabber:iq:register'><username>a b</username>"
		 "<password>x</password></query></iq>");
	gate_expect_element(&gate, 1, "<not-acceptable ");
	gate_login(&gate, 1, "nurse", "angelica");
	gate_bind(&gate, 1, "nurse@example.com", "x");
	gate_session(&gate, 2, JULIET, FIXTURE_PASSWORD, "balcony");
}

Test(registering, XEP0077_not_without_tls)
{
	gate_open_plain(&gate, 1, "example.com");
	gate_put(&gate, 1,
		 "<iq type='set' id='r2'><query xmlns='jabber:iq:register'><username>nurse</username>"
		 "<password>angelica</password></query></iq>");
	gate_expect_element(&gate, 1, "<not-authorized ");
}

Test(registering, XEP0077_password_change_and_removal)
{
	gate_session(&gate, 1, JULIET, FIXTURE_PASSWORD, "balcony");
	gate_session(&gate, 2, JULIET, FIXTURE_PASSWORD, "chamber");
	gate_put(&gate, 1,
		 "<iq type='set' id='c' to='example.com' from='" JULIET "/balcony'><query xmlns='jabber:iq:register'>"
		 "<username>juliet</username><password>capulet</password></query></iq>");
	gate_expect_element(&gate, 1, "<iq type='result' id='c'>");
	gate_put(&gate, 1,
		 "<iq type='set' id='d' from='" JULIET "/balcony'><query xmlns='jabber:iq:register'>"
		 "<username>romeo</username><password>capulet</password></query></iq>");
	gate_expect_element(&gate, 1, "<not-allowed ");
	gate_open(&gate, 3, "example.com", NULL);
	login_fails(3, "PLAIN", "AGp1bGlldAByMG0zMCBteSByMG0zMA==", "not-authorized");
	gate_login(&gate, 3, "juliet", "capulet");
	gate_put(&gate, 1,
		 "<iq type='set' id='e' from='" JULIET
		 "/balcony'><query xmlns='jabber:iq:register'><remove/></query></iq>");
	gate_expect_element(&gate, 1, "<iq type='result' id='e'>");
	gate_expect_close(&gate, 2, "not-authorized");
	gate_expect_close(&gate, 1, "not-authorized");
	gate_open(&gate, 4, "example.com", NULL);
	login_fails(4, "PLAIN", "AGp1bGlldABjYXB1bGV0", "not-authorized");
}

Test(registering, new_accounts_are_limited)
{
	for (unsigned i = 0; i <= SERVER_REGISTRATIONS_MAX; i++) {
		gate_open(&gate, i + 1, "example.com", NULL);
		gate_put(&gate, i + 1,
			 "<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>n%u</username>"
			 "<password>angelica</password></query></iq>",
			 i);
		gate_expect_element(&gate, i + 1, i < SERVER_REGISTRATIONS_MAX ? "result" : "<resource-constraint ");
	}
}
