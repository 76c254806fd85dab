/* A room that includes another it must not know: for the test of includes.sh. */
#include "jid.h"
