/* nodes: two session servers on one database, as processes, which can be killed and stopped; one gate at each. */
#ifndef TEST_NODES_H
#define TEST_NODES_H

#include "fixture.h"
#include "gate.h"
#include <sys/types.h>

#define JULIET FIXTURE_JID
#define ROMEO  "romeo@example.com"

struct node {
	pid_t pid;
	const char *name;
	char socket[FIXTURE_PATH_BYTES + 4];
};

extern struct fixture fixture;
extern struct node a, b;
extern struct gate at_a, at_b; /* at_a has sessions that may be adopted */

/* Of a test: both nodes run, nobody has logged in. */
void nodes_begin(void);
void nodes_end(void);

/* Starts it, and waits until it can be reached. */
void node_begin(struct node *, const char *name);
/* Stops it (SIGSTOP), in no transaction: the other one must be able to work meanwhile. */
void node_stop(const struct node *);
/* It goes on, and has nothing to say to its gate of before, which ends; Juliet's session is the other one's. */
void node_wakes(const struct node *, struct gate *old);
/* By this signal; of SIGTERM it must end well. */
void node_end(struct node *, int how);

/* Juliet (balcony) at the first, Romeo (garden) at the second; each is session 1 there. */
void both_log_in(void);
void juliet_says(const char *id); /* to Romeo */
void romeo_says(const char *id);
void expect_id(struct gate *, const char *id);
/* The gate of the sessions that were at the first node brings them to another. */
void gate_moves(struct gate *, const struct node *to);

#endif
